// @ts-check
/**
 * How sound and events travel: over a WebSocket, where the page plays and keeps account, or over
 * WebRTC, where the server does.
 */

import { Peer } from "./peer.js";
import { Player } from "./player.js";
import { Voice } from "./voice.js";
import { dialWebSocket } from "./websocket.js";

export class Transport {
  /**
   * @param {import("./settings.js").Transport} kind
   * @param {import("./connection.js").Connection} connection
   * @param {import("./player.js").PlayerHandlers} playing
   */
  constructor(kind, connection, playing) {
    this.kind = kind;
    this.connection = connection;
    this.ownPlayer = new Player(playing);
    this.voice = new Voice(playing);
    /** @type {Peer | null} */
    this.peer = null;
    /** @type {MediaStreamTrack | null} */
    this.spoken = null;
  }

  /** Whether the server keeps account of what is heard, and stops it when we speak. */
  get serverPlays() {
    return this.kind === "webrtc";
  }

  get player() {
    return this.serverPlays ? this.voice : this.ownPlayer;
  }

  /** @param {import("./websocket.js").Target} target */
  dial(target) {
    if (!this.serverPlays) return this.connection.open(dialWebSocket(target));
    this.connection.open((handlers) => {
      this.peer = new Peer(target, handlers, (stream, receiver) =>
        this.voice.attach(stream, receiver),
      );
      this.peer.speak(this.spoken);
      return this.peer;
    });
  }

  /**
   * Over WebRTC the track itself is sent; over a WebSocket what is sent is up to who listens to it.
   * @param {MediaStreamTrack | null} track null: nothing
   */
  speak(track) {
    this.spoken = track;
    this.peer?.speak(track);
  }

  /** Nothing of a WebRTC call goes on. */
  hangUp() {
    this.peer = null;
    this.voice.detach();
  }
}
