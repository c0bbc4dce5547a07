// @ts-check
/**
 * What the page is doing right now, as one word, and how to say it.
 */

/**
 * @typedef {"idle" | "connecting" | "reconnecting" | "listening" | "hearing" | "thinking"
 *   | "speaking" | "ready" | "error"} Phase
 * @typedef {object} Facts
 * @property {import("./connection.js").ConnectionState} connection
 * @property {import("./settings.js").Transport} transport of the connection, or the next one
 * @property {boolean} opening devices are being asked for
 * @property {boolean} microphone
 * @property {boolean} muted
 * @property {boolean} manual turns are ended by the person, not by voice detection
 * @property {boolean} userSpeaking
 * @property {boolean} awaiting an answer is due
 * @property {boolean} sounding the assistant's voice is playing
 * @property {boolean} failed the last attempt ended in a problem
 */

/**
 * @param {Facts} facts
 * @returns {Phase}
 */
export function phaseOf(facts) {
  if (facts.opening || facts.connection === "connecting") return "connecting";
  if (facts.connection === "waiting") return "reconnecting";
  if (facts.connection === "closed") return facts.failed ? "error" : "idle";
  if (facts.userSpeaking) return "hearing";
  if (facts.sounding) return "speaking";
  if (facts.awaiting) return "thinking";
  return facts.microphone ? "listening" : "ready";
}

/**
 * @param {Phase} phase
 * @param {Facts} facts
 * @returns {{title: string, hint: string, action: string}} action: the name of the big button
 */
export function describe(phase, { microphone, muted, manual }) {
  const hold = microphone && manual;
  const action = microphone ? (manual ? "Hold to talk" : "End the conversation") : "Start talking";
  const stop = { action: "Stop connecting" };
  switch (phase) {
    case "idle":
      return { title: "Press to talk", hint: "or write below", action: "Start talking" };
    case "connecting":
      return { title: "Connecting", hint: "One moment", ...stop };
    case "reconnecting":
      return { title: "Connection lost", hint: "Trying to get it back", ...stop };
    case "hearing":
      return { title: "Listening", hint: hold ? "Let go when you have finished" : "Go on", action };
    case "speaking":
      return {
        title: "Speaking",
        hint: hold ? "Hold to interrupt" : "Just talk to interrupt",
        action,
      };
    case "thinking":
      return { title: "Thinking", hint: "One moment", action };
    case "listening":
      if (hold) return { title: "Hold to talk", hint: "or hold the space bar", action };
      if (muted) return { title: "Muted", hint: "Unmute to be heard", action };
      return { title: "Listening", hint: "Say something", action };
    case "ready":
      return { title: "Press to talk", hint: "or go on writing", action: "Start talking" };
    case "error":
      return { title: "Not connected", hint: "Press to try again", action: "Try again" };
  }
}
