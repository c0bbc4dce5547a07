// @ts-check
/**
 * A voice conversation in a page of your own:
 *
 *     import { VoiceClient } from "https://your.server/js/client.js";
 *     const client = new VoiceClient({ instructions: "You are a pirate." });
 *     client.addEventListener("change", () => show(client.phase, client.messages));
 *     button.onclick = () => client.start(); // browsers allow sound only after a click
 *
 * It opens the microphone, plays the answers, stops them when the person speaks and tells the
 * server how much was heard, comes back when the connection is lost, and then tells the server the
 * conversation again. Whatever else the Realtime protocol can do goes through `send` and "event".
 *
 * Events:
 * - `change`: `phase`, `messages` or `listens` may be different now;
 * - `problem`: something went wrong; `detail` is a Problem (title, advice), null once it is over;
 * - `event`: `detail` is an event of the server's, as it came.
 */

import { describe, phaseOf } from "./phase.js";
import { Session } from "./session.js";

/**
 * @typedef {object} Options all may be left out
 * @property {string} server the server's address; this module's own
 * @property {string} model
 * @property {string} key access key or client secret (`ek_...`)
 * @property {string | null} instructions null: the server's own
 * @property {import("./settings.js").Detection} detection who ends a turn; "manual": you, by `send`
 * @property {import("./settings.js").Transport} transport
 * @typedef {object} Said one message of the conversation
 * @property {string} id
 * @property {"user" | "assistant"} role
 * @property {string} heard what was said and heard
 * @property {string} ahead what is still to be heard; of an interrupted message, what never will be
 * @property {"live" | "done" | "interrupted"} state
 */

export class VoiceClient extends EventTarget {
  /** @param {Partial<Options>} [options] */
  constructor({
    server = import.meta.url,
    model = "nano",
    key = "",
    instructions = null,
    detection = "semantic_vad",
    transport = "websocket",
  } = {}) {
    super();
    const handlers = {
      onChange: () => this.#tell("change"),
      onMessage: () => this.#tell("change"),
      onProblem: (/** @type {unknown} */ problem) => this.#tell("problem", problem),
      onRetry: () => this.#tell("change"),
      onEvent: (/** @type {unknown} */ event) => this.#tell("event", event),
    };
    this.session = new Session({ instructions, detection, transport, key }, model, handlers, server);
  }

  /** What is going on, as one word: idle, connecting, listening, hearing, thinking, speaking, ... */
  get phase() {
    return phaseOf(this.session.facts);
  }

  /** The same in words for a person: {title, hint, action}. */
  get description() {
    return describe(this.phase, this.session.facts);
  }

  /** Whether the microphone is open. */
  get listens() {
    return this.session.microphone.isOpen;
  }

  /** @returns {Said[]} the conversation so far, in order */
  get messages() {
    return [...this.session.conversation.messages.values()].map((message) => ({
      id: message.id,
      role: message.role,
      heard: message.heardText,
      ahead: message.unheardText,
      state: message.state,
    }));
  }

  /**
   * Connect, with the microphone or without. Must be called from a click or a key press.
   * @param {{microphone?: boolean}} [wanted]
   */
  start({ microphone = true } = {}) {
    return this.session.start({ microphone });
  }

  /** End the conversation; what was said is kept, and told to the server at the next start. */
  stop() {
    this.session.stop();
  }

  /** Ask something in writing. @param {string} text */
  say(text) {
    return this.session.sendText(text);
  }

  /** End the answer under way. */
  interrupt() {
    return this.session.interrupt();
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.session.microphone.mute(muted);
  }

  /**
   * Send an event of the protocol.
   * @param {import("./connection.js").WireEvent} event
   * @returns {boolean} false: there is no connection
   */
  send(event) {
    return this.session.connection.send(event);
  }

  /**
   * @param {string} name
   * @param {unknown} [detail]
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
