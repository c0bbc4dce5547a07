// @ts-check
/**
 * The socket to the server: opens it, keeps it open, and says in what state it is.
 *
 * A connection that was up and is lost is tried again, waiting longer each time; one that never
 * came up is reported once and left to the person. Knows nothing of what the events mean, but that
 * `session.created` is the first.
 */

/**
 * @typedef {"closed" | "connecting" | "open" | "waiting"} ConnectionState
 * @typedef {{type: string, [key: string]: any}} WireEvent
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
    /** @type {WebSocket | null} */
    this.socket = null;
    this.url = "";
    /** @type {string[]} */
    this.protocols = [];
    this.wasOpen = false;
    this.tries = 0;
    this.timer = 0;
  }

  /**
   * @param {string} model
   * @param {string} key
   */
  open(model, key) {
    this.close();
    const url = new URL("/v1/realtime", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = String(new URLSearchParams({ model, timing: "1", interim: "1" }));
    this.url = url.href;
    this.protocols = ["realtime", ...(key ? [`openai-insecure-api-key.${key}`] : [])];
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
    if (this.state !== "open" || !this.socket) return false;
    if (this.socket.bufferedAmount > STALLED_BYTES) {
      this.#lost(1006);
      return false;
    }
    this.socket.send(JSON.stringify(event));
    return true;
  }

  #connect() {
    this.#drop();
    this.#become("connecting");
    const socket = new WebSocket(this.url, this.protocols);
    this.socket = socket;
    this.timer = window.setTimeout(() => this.#lost(1006), OPEN_TIMEOUT_MS);
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code }) => this.#lost(code);
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

  /** Let go of the socket without hearing from it again. */
  #drop() {
    window.clearTimeout(this.timer);
    if (!this.socket) return;
    this.socket.onclose = this.socket.onmessage = null;
    this.socket.close();
    this.socket = null;
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
