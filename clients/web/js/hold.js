// @ts-check
/**
 * Push-to-talk: what is said while the button is held is one turn. Only for sessions without voice
 * detection.
 */

import * as protocol from "./protocol.js";

const SHORTEST_HOLD_MS = 250; // a shorter press was a slip
const TAIL_MS = 150; // the last word is still on its way from the microphone

export class Hold {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    this.since = 0; // 0: not held
    this.ending = 0; // timer of the tail; 0: still pressed
  }

  get isHeld() {
    return this.since > 0;
  }

  /** The person begins to speak, or goes on before the tail has passed. */
  async press() {
    window.clearTimeout(this.ending);
    this.ending = 0;
    const { session } = this;
    if (this.isHeld || !session.microphone.isOpen) return;
    this.since = performance.now();
    session.routeMicrophone();
    session.handlers.onChange();
    await session.interrupt();
    session.connection.send(protocol.AUDIO_CLEAR);
  }

  /** The person has finished. */
  release() {
    if (!this.isHeld || this.ending) return;
    const heldMs = performance.now() - this.since;
    this.ending = window.setTimeout(() => this.#end(heldMs), TAIL_MS);
  }

  /** Not held any more, and nothing comes of it. */
  drop() {
    window.clearTimeout(this.ending);
    this.since = this.ending = 0;
    this.session.routeMicrophone();
  }

  /** @param {number} heldMs */
  #end(heldMs) {
    this.drop();
    if (heldMs < SHORTEST_HOLD_MS) {
      this.session.connection.send(protocol.AUDIO_CLEAR);
      this.session.handlers.onChange();
    } else {
      this.session.connection.send(protocol.AUDIO_COMMIT);
      this.session.askForReply();
    }
  }
}
