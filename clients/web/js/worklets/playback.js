// @ts-check
/// <reference path="./worklet.d.ts" />
/**
 * Wire to loudspeaker: brings PCM16 to the device's rate and plays it through the jitter buffer.
 * Tells the page what has been played, for the transcript, the meter and truncation.
 */

import { Playout } from "./playout.js";
import { Resampler } from "./resampler.js";

const WIRE_RATE_HZ = 24_000;
const REPORT_MS = 32;

class PlaybackProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(WIRE_RATE_HZ, sampleRate);
    this.playout = new Playout(sampleRate);
    this.power = 0;
    this.sinceReport = 0;
    this.quiet = true; // the last report said that nothing sounds
    this.port.onmessage = ({ data }) => this.#receive(data);
  }

  /** @param {{type: string, itemId: string, pcm: Int16Array, ticket: number}} message */
  #receive({ type, itemId, pcm, ticket }) {
    if (type === "push") {
      const wire = Float32Array.from(pcm, (sample) => sample / 32768);
      this.playout.push(itemId, this.resampler.push(wire).slice());
    } else if (type === "end") {
      this.playout.push(itemId, this.resampler.flush().slice());
      this.playout.end(itemId);
    } else if (type === "flush") {
      const flushed = this.playout.flush();
      this.resampler.reset();
      this.port.postMessage({
        type: "flushed",
        ticket,
        itemId: flushed.itemId,
        playedMs: this.#ms(flushed.playedSamples),
        droppedMs: this.#ms(flushed.droppedSamples),
      });
    }
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   * @returns {boolean}
   */
  process(_inputs, outputs) {
    const [first, ...others] = outputs[0];
    const { started, finished } = this.playout.render(first);
    for (const channel of others) channel.set(first);
    for (const itemId of started) this.port.postMessage({ type: "started", itemId });
    for (const itemId of finished) this.port.postMessage({ type: "finished", itemId });
    for (const sample of first) this.power += sample * sample;
    this.sinceReport += first.length;
    if (this.sinceReport * 1000 >= REPORT_MS * sampleRate) this.#report();
    return true;
  }

  #report() {
    const { current, playedSamples, playing, underruns } = this.playout;
    const rms = Math.sqrt(this.power / this.sinceReport);
    this.power = 0;
    this.sinceReport = 0;
    if (this.quiet && !playing) return;
    this.quiet = !playing;
    const playedMs = this.#ms(playedSamples);
    this.port.postMessage({ type: "position", itemId: current, playedMs, playing, rms, underruns });
  }

  /** @param {number} samples */
  #ms(samples) {
    return (samples * 1000) / sampleRate;
  }
}

registerProcessor("playback", PlaybackProcessor);
