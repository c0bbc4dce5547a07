// @ts-check
/**
 * The conversation as the page remembers it: who said what, and how much of it was heard.
 *
 * The assistant's text is a list of segments, each with the moment in its audio at which it is
 * spoken; what lies before `heardMs` has been heard. Plain data with one change callback; it knows
 * neither the socket nor the document.
 */

/**
 * @typedef {{text: string, startMs: number}} Segment
 * @typedef {"live" | "done" | "interrupted"} MessageState
 * @typedef {object} TurnTiming milliseconds after the user's last word
 * @property {number | null} end_of_turn_ms
 * @property {number | null} recognised_ms
 * @property {number | null} first_text_ms
 * @property {number | null} first_audio_ms
 */

const REPLAYED = 64; // messages; a server remembers no more of a conversation either

export class Message {
  /**
   * @param {string} id
   * @param {"user" | "assistant"} role
   */
  constructor(id, role) {
    this.id = id;
    this.role = role;
    /** @type {MessageState} */
    this.state = "live";
    /** @type {Segment[]} */
    this.segments = [];
    this.receivedMs = 0; // of audio
    this.heardMs = role === "user" ? Infinity : 0; // of audio; Infinity: nothing left to hear
    this.guessed = false; // the text is what the user seems to be saying so far
    /** @type {TurnTiming | null} */
    this.timing = null;
    /** @type {number | null} */
    this.localDelayMs = null; // from the first audio's arrival to its first sample's sounding
  }

  get text() {
    return this.segments.map(({ text }) => text).join("");
  }

  get heardText() {
    return this.segments
      .filter((part) => this.#heard(part))
      .map(({ text }) => text)
      .join("");
  }

  get unheardText() {
    return this.segments
      .filter((part) => !this.#heard(part))
      .map(({ text }) => text)
      .join("");
  }

  /** @param {Segment} segment */
  #heard({ startMs }) {
    return startMs < this.heardMs;
  }
}

export class Conversation {
  /** @param {(message: Message | null) => void} onChange null: everything may have changed */
  constructor(onChange) {
    /** @type {Map<string, Message>} */
    this.messages = new Map();
    this.onChange = onChange;
  }

  get isEmpty() {
    return this.messages.size === 0;
  }

  /**
   * The message with this id, made if it is new.
   * @param {string} id
   * @param {"user" | "assistant"} role
   */
  message(id, role) {
    const known = this.messages.get(id);
    if (known) return known;
    const message = new Message(id, role);
    this.messages.set(id, message);
    this.onChange(message);
    return message;
  }

  /**
   * Change a message and say so.
   * @param {Message} message
   * @param {Partial<Message>} fields
   */
  change(message, fields) {
    Object.assign(message, fields);
    this.onChange(message);
  }

  /**
   * @param {Message} message
   * @param {string} text
   * @param {number} startMs
   */
  append(message, text, startMs) {
    if (!text) return;
    message.segments.push({ text, startMs });
    this.onChange(message);
  }

  /**
   * Replace the whole text of a message that needs no hearing.
   * @param {Message} message
   * @param {string} text
   */
  write(message, text) {
    this.change(message, { segments: [{ text, startMs: 0 }], heardMs: Infinity });
  }

  /**
   * The message was cut off after so much of its audio.
   * @param {Message} message
   * @param {number} heardMs
   */
  interrupt(message, heardMs) {
    this.change(message, { state: "interrupted", heardMs });
  }

  /** @param {string} id */
  remove(id) {
    if (this.messages.delete(id)) this.onChange(null);
  }

  clear() {
    this.messages.clear();
    this.onChange(null);
  }

  /**
   * What a new server session must be told to know this conversation: only what was heard.
   * @returns {{id: string, role: "user" | "assistant", text: string}[]}
   */
  replay() {
    return [...this.messages.values()]
      .map(({ id, role, heardText }) => ({ id, role, text: heardText.trim() }))
      .filter(({ text }) => text !== "")
      .slice(-REPLAYED);
  }
}
