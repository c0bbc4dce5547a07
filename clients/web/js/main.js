// @ts-check
/**
 * Wires the document to a session: what is pressed goes in, what changes is shown.
 */

import { Orb } from "./orb.js";
import { meterLevel } from "./pcm.js";
import { describe, phaseOf } from "./phase.js";
import { Session } from "./session.js";
import { bindSettings, loadSettings } from "./settings.js";
import { Transcript } from "./transcript.js";

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
const byId = (id) => /** @type {T} */ (document.getElementById(id));

const DEFAULT_MODEL = "nano";
const METER_MS = 50;
const TRANSPORTS = { websocket: "Connected over WebSocket", webrtc: "Connected over WebRTC" };

const talk = byId("talk");
const mute = byId("mute");
const field = /** @type {HTMLInputElement} */ (byId("say"));
const dialog = /** @type {HTMLDialogElement} */ (byId("settings"));
const settings = loadSettings();
const model = new URLSearchParams(location.search).get("model") ?? DEFAULT_MODEL;
const transcript = new Transcript(byId("messages"), byId("announcer"));

const session = new Session(settings, model, {
  onChange: show,
  onMessage: (message) => {
    transcript.show(session.conversation, message);
    document.body.toggleAttribute("data-empty", session.conversation.isEmpty);
  },
  onProblem: (problem) => {
    byId("problem").hidden = problem === null;
    byId("problem-title").textContent = problem?.title ?? "";
    byId("problem-advice").textContent = problem?.advice ?? "";
  },
  onRetry: countDown,
});
const orb = new Orb(/** @type {HTMLCanvasElement} */ (byId("orb")), () => ({
  phase: phaseOf(session.facts),
  levels: session.levels,
}));

function show() {
  const { facts } = session;
  const phase = phaseOf(facts);
  const { title, hint, action } = describe(phase, facts);
  document.body.dataset.phase = phase;
  setText("phase", title);
  setText("hint", hint);
  talk.setAttribute("aria-label", action);
  setText("transport", facts.connection === "open" ? TRANSPORTS[facts.transport] : "");
  mute.hidden = !facts.microphone || facts.connection !== "open";
  mute.setAttribute("aria-pressed", String(facts.muted));
  setText("mute-label", facts.muted ? "Unmute" : "Mute");
  byId("end").hidden = facts.connection === "closed" && !facts.opening;
  byId("quiet").hidden = phase !== "speaking" && phase !== "thinking";
  byId("retry").hidden = phase !== "reconnecting";
  byId("instructions").setAttribute("placeholder", session.defaultInstructions);
  orb.wake();
}

/**
 * @param {string} id
 * @param {string} text
 */
function setText(id, text) {
  const target = byId(id);
  if (target.textContent !== text) target.textContent = text; // said aloud only when it changes
}

/** @param {number} retryMs */
function countDown(retryMs) {
  const due = performance.now() + retryMs;
  const tick = () => {
    if (session.facts.connection !== "waiting") return;
    const seconds = Math.max(1, Math.ceil((due - performance.now()) / 1000));
    byId("retry-seconds").textContent = `Next try in ${seconds} s`;
    window.setTimeout(tick, 250);
  };
  window.setTimeout(tick);
}

/** The big button, in the modes in which a press is enough. */
function press() {
  const { connection, opening, microphone, manual } = session.facts;
  const settled = connection === "open" && !opening;
  if (settled && microphone && manual) return;
  if ((settled && microphone) || opening || connection === "connecting") session.stop();
  else if (connection === "waiting") session.stop();
  else void session.start({ microphone: true });
}

function holds() {
  const { connection, microphone, manual } = session.facts;
  return connection === "open" && microphone && manual;
}

talk.addEventListener("click", press);
talk.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !holds()) return;
  talk.setPointerCapture(event.pointerId);
  void session.hold.press();
});
for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
  talk.addEventListener(end, () => session.hold.release());
}

talk.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch

/** Space and Enter on the button, and space where nothing else wants it. */
function isTalkKey(/** @type {KeyboardEvent} */ { code, target }) {
  if (target === talk) return code === "Space" || code === "Enter";
  return target === document.body && code === "Space";
}

document.addEventListener("keydown", (event) => {
  if (dialog.open) return;
  if (event.key === "Escape") {
    if (session.isAnswering) void session.interrupt();
    else session.stop();
  } else if (isTalkKey(event) && (holds() || event.target !== talk)) {
    event.preventDefault(); // else the button would be pressed too, or the page would scroll
    if (event.repeat) return;
    if (holds()) void session.hold.press();
    else press();
  }
});
document.addEventListener("keyup", (event) => {
  if (isTalkKey(event)) session.hold.release();
});
document.addEventListener("visibilitychange", () => session.wake());
window.addEventListener("pagehide", () => session.stop()); // a WebRTC call would linger
window.addEventListener("blur", () => session.hold.release());

mute.addEventListener("click", () => session.microphone.mute(!session.facts.muted));
byId("end").addEventListener("click", () => {
  session.stop();
  talk.focus();
});
byId("quiet").addEventListener("click", () => void session.interrupt());
byId("retry").addEventListener("click", () => session.connection.retryNow());
byId("new").addEventListener("click", () => void session.clear());
byId("dismiss").addEventListener("click", () => (byId("problem").hidden = true));
byId("open-settings").addEventListener("click", () => dialog.showModal());
byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = field.value.trim();
  if (!text) return;
  field.value = "";
  void session.sendText(text);
});
for (const example of document.querySelectorAll(".example")) {
  example.addEventListener("click", () => void session.sendText(example.textContent ?? ""));
}
bindSettings(/** @type {HTMLFormElement} */ (byId("settings-form")), settings, () =>
  session.applySettings(),
);

const meters = { user: byId("user-level"), assistant: byId("assistant-level") };
window.setInterval(() => {
  for (const side of /** @type {const} */ (["user", "assistant"])) {
    const level = meterLevel(session.levels[side]);
    meters[side].style.setProperty("--level", level.toFixed(3));
    meters[side].setAttribute("aria-valuenow", String(Math.round(100 * level)));
  }
}, METER_MS);

show();
