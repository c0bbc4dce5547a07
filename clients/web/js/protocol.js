// @ts-check
/**
 * The client events of the Realtime protocol that this page sends, as plain objects.
 */

import { encodeBase64 } from "./pcm.js";

/**
 * @typedef {import("./connection.js").WireEvent} WireEvent
 * @typedef {import("./settings.js").Settings} Settings
 * @typedef {"user" | "assistant"} Role
 */

/** Any name will do: the server has one recogniser. */
const TRANSCRIPTION = { model: "whisper-1" };

/**
 * @param {Settings} settings
 * @param {boolean} canPlay false: this browser gives the page no way to play sound
 * @param {string} defaultInstructions the server's own
 * @returns {WireEvent}
 */
export function sessionUpdate({ instructions, detection }, canPlay, defaultInstructions) {
  const turnDetection = detection === "manual" ? null : { type: detection };
  return {
    type: "session.update",
    session: {
      type: "realtime",
      instructions: instructions ?? defaultInstructions,
      output_modalities: [canPlay ? "audio" : "text"],
      audio: { input: { turn_detection: turnDetection, transcription: TRANSCRIPTION } },
    },
  };
}

/**
 * @param {string} id
 * @param {Role} role
 * @param {string} text
 * @returns {WireEvent}
 */
export function itemCreate(id, role, text) {
  const type = role === "user" ? "input_text" : "output_text";
  const item = { id, type: "message", role, content: [{ type, text }] };
  return { type: "conversation.item.create", item };
}

/**
 * @param {string} itemId
 * @param {number} playedMs
 * @returns {WireEvent}
 */
export function itemTruncate(itemId, playedMs) {
  return {
    type: "conversation.item.truncate",
    item_id: itemId,
    content_index: 0,
    audio_end_ms: Math.floor(playedMs),
  };
}

/**
 * @param {Int16Array} pcm
 * @returns {WireEvent}
 */
export function audioAppend(pcm) {
  return { type: "input_audio_buffer.append", audio: encodeBase64(pcm) };
}

/** @type {WireEvent} */
export const AUDIO_COMMIT = { type: "input_audio_buffer.commit" };
/** @type {WireEvent} */
export const AUDIO_CLEAR = { type: "input_audio_buffer.clear" };
/** @type {WireEvent} */
export const RESPONSE_CREATE = { type: "response.create" };
/** @type {WireEvent} */
export const RESPONSE_CANCEL = { type: "response.cancel" };
/** Only where the server plays. @type {WireEvent} */
export const OUTPUT_CLEAR = { type: "output_audio_buffer.clear" };

/** An item id that no other page makes. */
export function newItemId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `item_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
