// @ts-check
/**
 * What is played when: a jitter buffer that knows how much of each item has really been played.
 *
 * Playing begins once enough is queued (or the item is known to be complete). When the queue runs
 * dry in the middle of an item there is silence until enough is queued again, and more is asked for
 * each time: a few longer gaps are easier on the ear than many short ones. `flush` fades what is
 * sounding to nothing and drops the rest. All counts are in samples at the output's rate.
 */

const PATIENCE = 1.5; // the cushion grows by this at each gap within an item
const LONGEST_PRIME_MS = 600;

/**
 * @typedef {{itemId: string, samples: Float32Array, offset: number}} Piece
 * @typedef {{itemId: string | null, playedSamples: number, droppedSamples: number}} Flushed
 */

export class Playout {
  /**
   * @param {number} rateHz
   * @param {{primeMs?: number, fadeMs?: number}} [options]
   */
  constructor(rateHz, { primeMs = 120, fadeMs = 8 } = {}) {
    this.firstPrimeSamples = Math.round((rateHz * primeMs) / 1000);
    this.mostPrimeSamples = Math.round((rateHz * LONGEST_PRIME_MS) / 1000);
    this.primeSamples = this.firstPrimeSamples; // grows within an item
    this.fadeSamples = Math.round((rateHz * fadeMs) / 1000);
    /** @type {Piece[]} */
    this.queue = [];
    this.queuedSamples = 0;
    /** Items of which no more will come. @type {Set<string>} */
    this.complete = new Set();
    /** @type {string | null} */
    this.current = null; // the item sounding, or the last that sounded and is not yet finished
    this.playedSamples = 0; // of the current item
    this.playing = false;
    this.underruns = 0;
    this.gain = 0; // ramps up after silence, so that joining is as click-free as leaving
    this.last = 0; // the last sample given out
    this.fading = new Float32Array(0);
    this.faded = 0;
  }

  /**
   * @param {string} itemId
   * @param {Float32Array} samples kept, not copied
   */
  push(itemId, samples) {
    if (samples.length === 0) return;
    this.queue.push({ itemId, samples, offset: 0 });
    this.queuedSamples += samples.length;
  }

  /** No more of this item will come. @param {string} itemId */
  end(itemId) {
    this.complete.add(itemId);
  }

  /**
   * Fill `output`; says which items began and which ended within it.
   * @param {Float32Array} output
   * @returns {{started: string[], finished: string[]}}
   */
  render(output) {
    /** @type {string[]} */
    const started = [];
    /** @type {string[]} */
    const finished = [];
    if (!this.playing && this.#ready()) this.playing = true;
    for (let i = 0; i < output.length; i += 1) {
      const piece = this.playing ? this.queue[0] : undefined;
      if (piece && piece.itemId !== this.current) {
        if (this.current !== null) finished.push(this.#leave(this.current));
        this.current = piece.itemId;
        this.playedSamples = 0;
        started.push(piece.itemId);
      }
      output[i] = this.#sound(piece) + this.#fade();
    }
    const done = this.current;
    if (done !== null && this.complete.has(done) && this.queue[0]?.itemId !== done) {
      finished.push(this.#leave(done));
    }
    return { started, finished };
  }

  /**
   * Stop at once: fade what sounds, drop the rest.
   * @returns {Flushed}
   */
  flush() {
    const tail = this.playing ? this.#take(this.fadeSamples) : new Float32Array(0);
    this.fading = tail.map((sample, i) => sample * this.gain * (1 - (i + 1) / tail.length));
    this.faded = 0;
    const flushed = {
      itemId: this.current ?? this.queue[0]?.itemId ?? null,
      playedSamples: this.playedSamples,
      droppedSamples: this.queuedSamples,
    };
    this.queue = [];
    this.queuedSamples = 0;
    this.complete.clear();
    this.primeSamples = this.firstPrimeSamples;
    this.current = null;
    this.playedSamples = 0;
    this.playing = false;
    this.gain = 0;
    this.last = 0;
    return flushed;
  }

  #ready() {
    const first = this.queue[0];
    if (!first) return false;
    return this.queuedSamples >= this.primeSamples || this.complete.has(first.itemId);
  }

  /**
   * The next sample of the piece; without one, what is left of the last sample dies away.
   * @param {Piece | undefined} piece
   */
  #sound(piece) {
    const step = 1 / this.fadeSamples;
    if (!piece) {
      this.#starve();
      this.gain = Math.max(0, this.gain - step);
      return this.last * this.gain;
    }
    this.gain = Math.min(1, this.gain + step);
    this.last = piece.samples[piece.offset];
    piece.offset += 1;
    this.queuedSamples -= 1;
    this.playedSamples += 1;
    if (piece.offset === piece.samples.length) this.queue.shift();
    return this.last * this.gain;
  }

  #starve() {
    if (!this.playing) return;
    this.playing = false;
    if (this.current === null || this.complete.has(this.current)) return;
    this.underruns += 1;
    this.primeSamples = Math.min(this.mostPrimeSamples, Math.round(PATIENCE * this.primeSamples));
  }

  /** The next sample of what a flush left fading. */
  #fade() {
    if (this.faded >= this.fading.length) return 0;
    this.faded += 1;
    return this.fading[this.faded - 1];
  }

  /**
   * Take up to `count` samples of the current item off the queue, counting them as played.
   * @param {number} count
   */
  #take(count) {
    const taken = [];
    while (taken.length < count && this.queue[0]?.itemId === this.current) {
      const piece = this.queue[0];
      taken.push(piece.samples[piece.offset]);
      piece.offset += 1;
      if (piece.offset === piece.samples.length) this.queue.shift();
    }
    this.queuedSamples -= taken.length;
    this.playedSamples += taken.length;
    return Float32Array.from(taken);
  }

  /** @param {string} itemId */
  #leave(itemId) {
    this.complete.delete(itemId);
    this.current = null;
    this.primeSamples = this.firstPrimeSamples;
    return itemId;
  }
}
