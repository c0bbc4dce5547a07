// @ts-check
/**
 * What the person has chosen, kept in this browser. The access key is kept for this tab only.
 */

/**
 * @typedef {"semantic_vad" | "server_vad" | "manual"} Detection
 * @typedef {"websocket" | "webrtc"} Transport
 * @typedef {object} Settings
 * @property {string | null} instructions null: the server's own
 * @property {Detection} detection how the end of a turn is found
 * @property {Transport} transport how sound and events travel
 * @property {string} key access key; empty: none
 */

const STORE = "voiceserver.settings";
const KEY_STORE = "voiceserver.key";
/** @type {Detection[]} */
const DETECTIONS = ["semantic_vad", "server_vad", "manual"];

/** @returns {Settings} */
export function loadSettings() {
  /** @type {Record<string, unknown>} */
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem(STORE) ?? "{}");
  } catch {
    localStorage.removeItem(STORE); // not ours, or damaged: start from the defaults
  }
  const detection = DETECTIONS.find((known) => known === stored.detection) ?? "semantic_vad";
  const instructions = typeof stored.instructions === "string" ? stored.instructions : null;
  const transport = stored.transport === "webrtc" ? "webrtc" : "websocket";
  return { instructions, detection, transport, key: sessionStorage.getItem(KEY_STORE) ?? "" };
}

/** @param {Settings} settings */
export function saveSettings({ instructions, detection, transport, key }) {
  localStorage.setItem(STORE, JSON.stringify({ instructions, detection, transport }));
  sessionStorage.setItem(KEY_STORE, key);
}

/**
 * Keep a form and the settings in step.
 * @param {HTMLFormElement} form with fields named as the settings
 * @param {Settings} settings changed in place
 * @param {() => void} onChange
 */
export function bindSettings(form, settings, onChange) {
  const field = (/** @type {string} */ name) =>
    /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  field("instructions").value = settings.instructions ?? "";
  field("detection").value = settings.detection;
  field("transport").value = settings.transport;
  field("key").value = settings.key;
  form.addEventListener("change", () => {
    settings.instructions = field("instructions").value.trim() || null;
    settings.detection = /** @type {Detection} */ (field("detection").value);
    settings.transport = /** @type {Transport} */ (field("transport").value);
    settings.key = field("key").value.trim();
    saveSettings(settings);
    onChange();
  });
}
