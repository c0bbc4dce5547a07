// @ts-check
/**
 * The assistant's voice: hands PCM16 to the playback worklet and keeps account of what was heard.
 */

import { loadWorklet } from "./worklets/load.js";

/**
 * @typedef {{itemId: string | null, playedMs: number, droppedMs: number}} Flushed
 * @typedef {object} PlayerHandlers
 * @property {(itemId: string) => void} onStarted its first sample sounds now
 * @property {(itemId: string) => void} onFinished all of it has been heard
 * @property {(itemId: string, playedMs: number) => void} onPosition
 * @property {(rms: number) => void} onLevel
 */

export class Player {
  /** @param {PlayerHandlers} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    /** @type {AudioWorkletNode | null} */
    this.node = null;
    /** Items handed over that have not yet been heard to their end. @type {Set<string>} */
    this.unheard = new Set();
    this.sounding = false; // an item has begun and not ended; gaps within it count
    this.ticket = 0;
    /** @type {Map<number, (flushed: Flushed) => void>} */
    this.waiting = new Map();
  }

  get canPlay() {
    return this.node !== null;
  }

  get isBusy() {
    return this.unheard.size > 0;
  }

  /** @param {string} itemId */
  isUnheard(itemId) {
    return this.unheard.has(itemId);
  }

  /** @param {AudioContext} context */
  async open(context) {
    if (this.node) return;
    await loadWorklet(context, "playback");
    this.node = new AudioWorkletNode(context, "playback", {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this.node.port.onmessage = ({ data }) => this.#receive(data);
    this.node.connect(context.destination);
  }

  /**
   * @param {string} itemId
   * @param {Int16Array} pcm
   */
  push(itemId, pcm) {
    if (!this.node) return;
    this.unheard.add(itemId);
    this.node.port.postMessage({ type: "push", itemId, pcm }, [pcm.buffer]);
  }

  /** No more of this item will come. @param {string} itemId */
  end(itemId) {
    if (this.unheard.has(itemId)) this.node?.port.postMessage({ type: "end", itemId });
  }

  /**
   * Fall silent at once.
   * @returns {Promise<Flushed>} what was playing, and how much of it was heard
   */
  flush() {
    this.unheard.clear();
    this.sounding = false;
    this.handlers.onLevel(0);
    if (!this.node) return Promise.resolve({ itemId: null, playedMs: 0, droppedMs: 0 });
    this.ticket += 1;
    const { ticket, node } = this;
    return new Promise((resolve) => {
      this.waiting.set(ticket, resolve);
      node.port.postMessage({ type: "flush", ticket });
    });
  }

  /** @param {any} message */
  #receive(message) {
    if (message.type === "flushed") {
      this.waiting.get(message.ticket)?.(message);
      this.waiting.delete(message.ticket);
      return;
    }
    if (message.type === "position") this.handlers.onLevel(message.playing ? message.rms : 0);
    if (!this.unheard.has(message.itemId)) return; // sent before a flush, arrived after it
    if (message.type === "position") this.handlers.onPosition(message.itemId, message.playedMs);
    if (message.type === "started") {
      this.sounding = true;
      this.handlers.onStarted(message.itemId);
    }
    if (message.type === "finished") {
      this.unheard.delete(message.itemId);
      this.sounding = false;
      this.handlers.onFinished(message.itemId);
    }
  }
}
