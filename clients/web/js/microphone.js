// @ts-check
/**
 * The microphone as a stream of PCM16 batches at the wire's rate. Where they go is up to its owner.
 */

import { insecurePage, microphoneProblem } from "./problems.js";
import { loadWorklet } from "./worklets/load.js";

/**
 * @typedef {{pcm: Int16Array, rms: number}} Batch
 */

/** Without these the assistant would hear itself through the loudspeaker. */
const CONSTRAINTS = {
  audio: {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    channelCount: 1,
  },
};

export class Microphone {
  /**
   * @param {(batch: Batch) => void} onBatch
   * @param {() => void} onLost the device was unplugged or taken away
   * @param {() => void} onMuted it was muted, or is not any more
   */
  constructor(onBatch, onLost, onMuted) {
    this.onMuted = onMuted;
    this.onBatch = onBatch;
    this.onLost = onLost;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {AudioNode[]} */
    this.nodes = [];
    this.muted = false;
  }

  get isOpen() {
    return this.stream !== null;
  }

  /** What WebRTC sends. @returns {MediaStreamTrack | null} */
  get track() {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  /**
   * Ask for the microphone and start sending batches; throws a Problem.
   * @param {AudioContext} context
   */
  async open(context) {
    if (this.stream) return;
    if (!navigator.mediaDevices || !context.audioWorklet) throw insecurePage();
    /** @type {MediaStream} */
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(CONSTRAINTS);
    } catch (cause) {
      throw microphoneProblem(cause);
    }
    await loadWorklet(context, "capture");
    const source = context.createMediaStreamSource(stream);
    const capture = new AudioWorkletNode(context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit", // a stereo device is mixed down by the browser
    });
    capture.port.onmessage = ({ data }) => this.onBatch(data);
    source.connect(capture);
    for (const track of stream.getTracks()) track.onended = () => this.#lose();
    this.stream = stream;
    this.nodes = [source, capture];
    this.mute(this.muted);
  }

  /**
   * A muted microphone sends silence, so that the server's clock goes on.
   * @param {boolean} muted
   */
  mute(muted) {
    this.muted = muted;
    for (const track of this.stream?.getTracks() ?? []) track.enabled = !muted;
    this.onMuted();
  }

  close() {
    for (const node of this.nodes) {
      node.disconnect();
      if (node instanceof AudioWorkletNode) node.port.onmessage = null;
    }
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.nodes = [];
    this.stream = null;
  }

  #lose() {
    this.close();
    this.onLost();
  }
}
