// In a page: a call's sound over WebRTC, heard and said.

const HEARD_ENERGY = 0.005; // of the voice since the answer began; silence has none
const LOOK_MS = 50;

export async function soundFile(name) {
  return (await fetch(`/${name}.wav`)).arrayBuffer();
}

/** The tracks of the connection that `peer()` gives. The browser's microphone asks the question. */
export class Tracks {
  #peer;
  #context = new AudioContext();

  constructor(peer) {
    this.#peer = peer;
  }

  say = async (name) => {
    if (name === "question") return;
    const buffer = await this.#context.decodeAudioData(await soundFile(name));
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    const voice = this.#context.createMediaStreamDestination();
    source.connect(voice);
    await this.#peer().getSenders()[0].replaceTrack(voice.stream.getAudioTracks()[0]);
    source.start();
  };

  /** A reply, begun since then, can be heard. */
  sounding = async (seen, since) => {
    await seen.until((event) => event.type === "output_audio_buffer.started", since);
    const before = await this.#energy();
    while ((await this.#energy()) < before + HEARD_ENERGY) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  };

  async #energy() {
    for (const report of (await this.#peer().getStats()).values()) {
      if (report.type === "inbound-rtp") return report.totalAudioEnergy;
    }
    return 0;
  }
}
