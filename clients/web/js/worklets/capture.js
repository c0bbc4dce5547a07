// @ts-check
/// <reference path="./worklet.d.ts" />
/**
 * Microphone to wire: brings the device's rate to the wire's and posts PCM16 in small batches.
 * Each batch says how loud it was. What is done with it is the page's business.
 */

import { Resampler } from "./resampler.js";

const WIRE_RATE_HZ = 24_000;
const BATCH_MS = 30;
const BATCH_SAMPLES = (WIRE_RATE_HZ * BATCH_MS) / 1000; // 720
const FULL_SCALE = 32767;

class CaptureProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, WIRE_RATE_HZ);
    this.batch = new Int16Array(BATCH_SAMPLES);
    this.filled = 0;
    this.power = 0;
  }

  /**
   * @param {Float32Array[][]} inputs
   * @returns {boolean}
   */
  process(inputs) {
    const channel = inputs[0]?.[0];
    if (channel) for (const sample of this.resampler.push(channel)) this.#take(sample);
    return true;
  }

  /** @param {number} sample */
  #take(sample) {
    const clipped = Math.max(-1, Math.min(1, sample));
    this.batch[this.filled] = Math.round(clipped * FULL_SCALE);
    this.power += clipped * clipped;
    this.filled += 1;
    if (this.filled < BATCH_SAMPLES) return;
    const rms = Math.sqrt(this.power / BATCH_SAMPLES);
    this.port.postMessage({ pcm: this.batch, rms }, [this.batch.buffer]);
    this.batch = new Int16Array(BATCH_SAMPLES);
    this.filled = 0;
    this.power = 0;
  }
}

registerProcessor("capture", CaptureProcessor);
