// @ts-check
/**
 * The wire to the server: opens it, keeps it open, and says in what state it is.
 *
 * A connection that was up and is lost is tried again, waiting longer each time; one that never
 * came up is reported once and left to the person. Knows nothing of what the events mean, but that
 * `session.created` is the first. What the wire is made of is up to who dials.
 */

/**
 * @typedef {"closed" | "connecting" | "open" | "waiting"} ConnectionState
 * @typedef {{type: string, [key: string]: any}} WireEvent
 * @typedef {{send: (text: string) => void, readonly bufferedAmount: number, close: () => void}} Wire
 * @typedef {object} WireHandlers
 * @property {(text: string) => void} onMessage
 * @property {(closeCode: number) => void} onClose
 * @typedef {(handlers: WireHandlers) => Wire} Dial
 * @typedef {object} ConnectionHandlers
 * @property {(event: WireEvent) => void} onEvent
 * @property {(state: ConnectionState, retryMs: number) => void} onState retryMs: until the next try
 * @property {(closeCode: number) => void} onRefused the first try failed
 */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
const JITTER = 0.25; // share of the wait, so that many pages do not all come back at once
const OPEN_TIMEOUT_MS = 10_000;
const STALLED_BYTES = 1_000_000; // about 15 s of microphone that the network did not take

export class Connection {
  /** @param {ConnectionHandlers} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    /** @type {ConnectionState} */
    this.state = "closed";
    /** @type {Wire | null} */
    this.wire = null;
    /** @type {Dial | null} */
    this.dial = null;
    this.wasOpen = false;
    this.tries = 0;
    this.timer = 0;
  }

  /** @param {Dial} dial */
  open(dial) {
    this.close();
    this.dial = dial;
    this.wasOpen = false;
    this.tries = 0;
    this.#connect();
  }

  /** Do not wait for the next try. */
  retryNow() {
    if (this.state === "waiting") this.#connect();
  }

  close() {
    this.#drop();
    this.#become("closed");
  }

  /**
   * @param {WireEvent} event
   * @returns {boolean} whether it went out
   */
  send(event) {
    if (this.state !== "open" || !this.wire) return false;
    if (this.wire.bufferedAmount > STALLED_BYTES) {
      this.#lost(1006);
      return false;
    }
    this.wire.send(JSON.stringify(event));
    return true;
  }

  #connect() {
    this.#drop();
    if (!this.dial) return;
    this.#become("connecting");
    this.timer = window.setTimeout(() => this.#lost(1006), OPEN_TIMEOUT_MS);
    const wire = this.dial({
      onMessage: (text) => this.wire === wire && this.#receive(JSON.parse(text)),
      onClose: (closeCode) => this.wire === wire && this.#lost(closeCode),
    });
    this.wire = wire;
  }

  /** @param {WireEvent} event */
  #receive(event) {
    if (event.type === "session.created") {
      window.clearTimeout(this.timer);
      this.wasOpen = true;
      this.tries = 0;
      this.#become("open");
    }
    this.handlers.onEvent(event);
  }

  /** @param {number} closeCode */
  #lost(closeCode) {
    this.#drop();
    if (!this.wasOpen) {
      this.#become("closed");
      this.handlers.onRefused(closeCode);
      return;
    }
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.tries);
    const waitMs = wait * (1 + JITTER * (2 * Math.random() - 1));
    this.tries += 1;
    this.timer = window.setTimeout(() => this.#connect(), waitMs);
    this.#become("waiting", waitMs);
  }

  /** Let go of the wire without hearing from it again. */
  #drop() {
    window.clearTimeout(this.timer);
    const { wire } = this;
    this.wire = null;
    wire?.close();
  }

  /**
   * @param {ConnectionState} state
   * @param {number} [retryMs]
   */
  #become(state, retryMs = 0) {
    if (this.state === state && state === "closed") return;
    this.state = state;
    this.handlers.onState(state, retryMs);
  }
}
