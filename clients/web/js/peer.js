// @ts-check
/**
 * The server reached over WebRTC: events over a data channel, sound over a track each way.
 */

import { EXTENSIONS } from "./websocket.js";

const LOST = 1006; // close codes, as a WebSocket has them
const TRY_AGAIN_LATER = 1013;

export class Peer {
  /**
   * @param {import("./websocket.js").Target} target
   * @param {import("./connection.js").WireHandlers} handlers
   * @param {(stream: MediaStream, receiver: RTCRtpReceiver) => void} onVoice the assistant's track
   */
  constructor({ server, model, key }, { onMessage, onClose }, onVoice) {
    this.onClose = onClose;
    this.pc = new RTCPeerConnection();
    this.channel = this.pc.createDataChannel("oai-events");
    this.channel.onmessage = ({ data }) => onMessage(data);
    this.channel.onclose = () => onClose(LOST);
    this.sender = this.pc.addTransceiver("audio").sender;
    this.pc.ontrack = ({ track, receiver }) => onVoice(new MediaStream([track]), receiver);
    this.pc.onconnectionstatechange = () => {
      if (this.pc.connectionState === "failed") onClose(LOST);
    };
    const url = new URL("/v1/realtime/calls", server);
    url.search = String(new URLSearchParams({ model, ...EXTENSIONS }));
    void this.#call(url, key);
  }

  get bufferedAmount() {
    return this.channel.bufferedAmount;
  }

  /** @param {string} text */
  send(text) {
    this.channel.send(text);
  }

  /**
   * What the server hears from now on.
   * @param {MediaStreamTrack | null} track null: nothing
   */
  speak(track) {
    if (this.sender.track !== track) void this.sender.replaceTrack(track);
  }

  close() {
    this.channel.close();
    this.pc.close();
  }

  /**
   * @param {URL} url
   * @param {string} key
   */
  async #call(url, key) {
    try {
      await this.pc.setLocalDescription();
      const headers = new Headers({ "Content-Type": "application/sdp" });
      if (key) headers.set("Authorization", `Bearer ${key}`);
      const body = this.pc.localDescription?.sdp;
      const answer = await fetch(url, { method: "POST", headers, body });
      if (!answer.ok) return this.onClose(answer.status === 429 ? TRY_AGAIN_LATER : LOST);
      await this.pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    } catch {
      this.onClose(LOST); // no such server, or it was given up meanwhile
    }
  }
}
