// @ts-check
/**
 * The assistant's voice as a WebRTC track: the server plays, the browser sounds what comes.
 *
 * The server says when the sound of each answer begins and ends; it is heard a little later, when
 * it has passed the browser's jitter buffer. Has the same face as Player, which plays by itself.
 */

/**
 * @typedef {import("./player.js").PlayerHandlers} PlayerHandlers
 * @typedef {{itemId: string, beginsAt: number, endsAt: number, begun: boolean}} Sound
 */

const TICK_MS = 40;
const STATS_TICKS = 25;

export class Voice {
  /** @param {PlayerHandlers} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    /** Items whose sound the server has begun and we have not yet heard to its end. @type {Sound[]} */
    this.sounds = [];
    this.delayMs = 0; // of the jitter buffer
    this.ticks = 0;
    this.counted = { delayS: 0, samples: 0 };
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {HTMLAudioElement | null} */
    this.element = null;
    /** @type {AnalyserNode | null} */
    this.analyser = null;
    /** @type {RTCRtpReceiver | null} */
    this.receiver = null;
    this.timer = 0;
  }

  get canPlay() {
    return true;
  }

  get isBusy() {
    return this.sounds.length > 0;
  }

  get sounding() {
    return this.sounds.some(({ begun }) => begun);
  }

  /** @param {string} itemId */
  isUnheard(itemId) {
    return this.sounds.some((sound) => sound.itemId === itemId);
  }

  /** @param {AudioContext} context */
  async open(context) {
    this.context = context;
    this.element ??= new Audio();
  }

  /**
   * The track of a new connection.
   * @param {MediaStream} stream
   * @param {RTCRtpReceiver} receiver
   */
  attach(stream, receiver) {
    if (!this.context || !this.element) return;
    this.receiver = receiver;
    this.counted = { delayS: 0, samples: 0 };
    this.element.srcObject = stream;
    void this.element.play().catch(() => {}); // a new connection has taken its place
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.context.createMediaStreamSource(stream).connect(this.analyser);
    window.clearInterval(this.timer);
    this.timer = window.setInterval(() => this.#tick(), TICK_MS);
  }

  /** The connection is over. */
  detach() {
    window.clearInterval(this.timer);
    if (this.element) this.element.srcObject = null;
    this.receiver = this.analyser = null;
  }

  /** The server has begun to send an item's sound. @param {string} itemId */
  begin(itemId) {
    if (this.element) this.element.muted = false;
    const beginsAt = performance.now() + this.delayMs;
    this.sounds.push({ itemId, beginsAt, endsAt: Infinity, begun: false });
  }

  /** All of it has been sent. @param {string} itemId */
  end(itemId) {
    const sound = this.sounds.find((known) => known.itemId === itemId);
    if (sound) sound.endsAt = performance.now() + this.delayMs;
  }

  /** The server sends no more of it. @param {string} itemId */
  cut(itemId) {
    this.sounds = this.sounds.filter((sound) => sound.itemId !== itemId);
    if (!this.sounding) this.handlers.onLevel(0);
  }

  /**
   * Fall silent at once.
   * @returns {Promise<import("./player.js").Flushed>} what was sounding, and how much was heard
   */
  async flush() {
    const sound = this.sounds[0];
    this.sounds = [];
    if (this.element) this.element.muted = true;
    this.handlers.onLevel(0);
    const playedMs = sound ? Math.max(0, performance.now() - sound.beginsAt) : 0;
    return { itemId: sound?.itemId ?? null, playedMs, droppedMs: 0 };
  }

  #tick() {
    const now = performance.now();
    this.ticks += 1;
    if (this.ticks % STATS_TICKS === 1) void this.#measureDelay();
    this.handlers.onLevel(this.sounding ? this.#rms() : 0);
    for (const sound of [...this.sounds]) {
      if (!sound.begun && now >= sound.beginsAt) {
        sound.begun = true;
        this.handlers.onStarted(sound.itemId);
      }
      if (now >= sound.endsAt) {
        this.cut(sound.itemId);
        this.handlers.onFinished(sound.itemId);
      } else if (sound.begun) {
        this.handlers.onPosition(sound.itemId, now - sound.beginsAt);
      }
    }
  }

  #rms() {
    if (!this.analyser) return 0;
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
  }

  /** How long sound has lately waited in the jitter buffer. */
  async #measureDelay() {
    const report = await this.receiver?.getStats();
    for (const stats of report?.values() ?? []) {
      if (stats.type !== "inbound-rtp") continue;
      const delayS = stats.jitterBufferDelay ?? 0;
      const samples = stats.jitterBufferEmittedCount ?? 0;
      const since = samples - this.counted.samples;
      if (since > 0) this.delayMs = ((delayS - this.counted.delayS) / since) * 1000;
      this.counted = { delayS, samples };
    }
  }
}
