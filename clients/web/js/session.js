// @ts-check
/**
 * One conversation with the server: joins wire, microphone, player and transcript, and carries
 * out what the person asks for. What the server says is handled in receiver.js.
 */

import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { Hold } from "./hold.js";
import { Microphone } from "./microphone.js";
import { explainRefusal, insecurePage, Problem, serverFull, soundProblem } from "./problems.js";
import * as protocol from "./protocol.js";
import { receive } from "./receiver.js";
import { Transport } from "./transport.js";
import { Turn } from "./turn.js";

/**
 * @typedef {import("./settings.js").Settings} Settings
 * @typedef {import("./conversation.js").Message} Message
 * @typedef {object} SessionHandlers
 * @property {() => void} onChange phase or controls may look different now
 * @property {(message: Message | null) => void} onMessage
 * @property {(problem: Problem | null) => void} onProblem
 * @property {(retryMs: number) => void} onRetry
 * @property {(event: import("./connection.js").WireEvent) => void} [onEvent] each, once understood
 */

const TRY_AGAIN_LATER = 1013; // close code of a server that has no place left

export class Session {
  /**
   * @param {Settings} settings
   * @param {string} model
   * @param {SessionHandlers} handlers
   * @param {string} [server] any address of the server's
   */
  constructor(settings, model, handlers, server = location.href) {
    this.settings = settings;
    this.target = { server, model };
    this.handlers = handlers;
    this.levels = { user: 0, assistant: 0 }; // RMS
    this.defaultInstructions = ""; // the server's own
    this.opening = false;
    this.failed = false;
    this.hold = new Hold(this);
    this.replyDue = false; // ask for an answer as soon as there is a connection
    this.attempt = 0;
    /** @type {AudioContext | null} */
    this.context = null;
    this.turn = new Turn();
    this.conversation = new Conversation(handlers.onMessage);
    this.connection = new Connection({
      onEvent: (event) => {
        receive(this, event);
        handlers.onEvent?.(event);
      },
      onState: (state, retryMs) => this.#connectionChanged(state, retryMs),
      onRefused: (code) => void this.#refused(code),
    });
    this.microphone = new Microphone(
      (batch) => this.#heard(batch),
      () => this.fail(new Problem("The microphone went away.", "Press the button to go on.")),
      () => handlers.onChange(),
    );
    this.transport = new Transport(settings.transport, this.connection, {
      onStarted: (itemId) => this.#started(itemId),
      onFinished: (itemId) => this.#position(itemId, Infinity),
      onPosition: (itemId, playedMs) => this.#position(itemId, playedMs),
      onLevel: (rms) => (this.levels.assistant = rms),
    });
  }

  get player() {
    return this.transport.player;
  }

  /** @returns {import("./phase.js").Facts} */
  get facts() {
    return {
      connection: this.connection.state,
      transport: this.transport.kind,
      opening: this.opening,
      microphone: this.microphone.isOpen,
      muted: this.microphone.muted,
      manual: this.settings.detection === "manual",
      userSpeaking: this.turn.userSpeaking || this.hold.isHeld,
      awaiting: this.turn.awaiting,
      sounding: this.player.sounding,
      failed: this.failed,
    };
  }

  /** An answer that is wanted is due, being written or being heard. */
  get isAnswering() {
    const { awaiting, responseId, silenced } = this.turn;
    const wanted = responseId !== null && !silenced.has(responseId);
    return awaiting || wanted || this.player.isBusy;
  }

  /**
   * Open what is needed and not yet open. Must be called from a click or a key press.
   * @param {{microphone: boolean}} wanted
   */
  async start({ microphone }) {
    const attempt = (this.attempt += 1);
    this.opening = true;
    this.failed = false;
    if (this.connection.state === "closed") this.transport.kind = this.settings.transport;
    this.handlers.onProblem(null);
    this.handlers.onChange();
    try {
      const context = (this.context ??= new AudioContext({ latencyHint: "interactive" }));
      await context.resume();
      if (context.audioWorklet || this.transport.serverPlays) await this.player.open(context);
      else if (microphone) throw insecurePage();
      if (microphone) await this.microphone.open(context);
    } catch (cause) {
      if (attempt === this.attempt) {
        this.opening = false;
        this.fail(soundProblem(cause));
      }
      return;
    }
    if (attempt !== this.attempt) return void this.microphone.close(); // stopped meanwhile
    this.opening = false;
    this.routeMicrophone();
    if (this.connection.state === "closed") {
      this.transport.dial({ ...this.target, key: this.settings.key });
    }
    this.handlers.onChange();
  }

  /** What the server is to hear of the microphone now. */
  routeMicrophone() {
    const open = this.settings.detection !== "manual" || this.hold.isHeld;
    this.transport.speak(open ? this.microphone.track : null);
  }

  /** End the conversation; its text stays on the page. */
  stop() {
    const attempt = (this.attempt += 1);
    this.opening = false;
    this.failed = false;
    this.replyDue = false;
    this.hold.drop();
    this.microphone.close();
    this.levels.user = 0;
    void this.hush().then(() => {
      if (attempt === this.attempt) void this.context?.suspend(); // let the device rest
    });
    this.connection.close();
    this.turn = new Turn();
    this.handlers.onProblem(null);
    this.handlers.onChange();
  }

  /** The page is looked at again: a phone may have put its sound to sleep meanwhile. */
  wake() {
    if (this.connection.state !== "closed") void this.context?.resume();
  }

  /** Forget the conversation, here and at the server. */
  async clear() {
    await this.interrupt();
    for (const id of this.conversation.messages.keys()) {
      this.connection.send({ type: "conversation.item.delete", item_id: id });
    }
    this.conversation.clear();
  }

  /** @param {string} text */
  async sendText(text) {
    this.handlers.onProblem(null);
    await this.interrupt();
    const id = protocol.newItemId();
    const message = this.conversation.message(id, "user");
    this.conversation.write(message, text);
    this.conversation.change(message, { state: "done" });
    if (this.connection.state === "open") {
      this.connection.send(protocol.itemCreate(id, "user", text));
      this.askForReply();
    } else {
      this.replyDue = true;
      if (this.connection.state === "closed") await this.start({ microphone: false });
    }
  }

  askForReply() {
    this.replyDue = false;
    this.turn.awaiting = true;
    this.connection.send(protocol.RESPONSE_CREATE);
    this.handlers.onChange();
  }

  /** Tell the server what the person has chosen. */
  applySettings() {
    if (this.connection.state !== "closed" && this.transport.kind !== this.settings.transport) {
      void this.#redial();
      return;
    }
    this.routeMicrophone();
    const { settings, player, defaultInstructions } = this;
    this.connection.send(protocol.sessionUpdate(settings, player.canPlay, defaultInstructions));
    this.handlers.onChange();
  }

  /** Go on over the other transport; the conversation is told to the server again. */
  async #redial() {
    await this.hush();
    this.connection.close();
    await this.start({ microphone: this.microphone.isOpen });
  }

  /** The person wants silence: end the answer at the server and here. */
  async interrupt() {
    const { awaiting, responseId } = this.turn;
    if (awaiting || responseId) this.connection.send(protocol.RESPONSE_CANCEL);
    if (this.transport.serverPlays && this.player.isBusy) this.connection.send(protocol.OUTPUT_CLEAR);
    this.turn.awaiting = false;
    await this.hush();
  }

  /** Fall silent at once, and tell the server how much was heard. */
  async hush() {
    if (this.turn.responseId) this.turn.silenced.add(this.turn.responseId);
    if (!this.player.isBusy) return;
    const { itemId, playedMs } = await this.player.flush();
    const message = itemId === null ? undefined : this.conversation.messages.get(itemId);
    if (!message || message.heardMs === Infinity) return;
    this.conversation.interrupt(message, playedMs);
    if (!this.transport.serverPlays) this.connection.send(protocol.itemTruncate(message.id, playedMs));
    this.handlers.onChange();
  }

  /** @param {Problem} problem */
  fail(problem) {
    this.failed = true;
    this.handlers.onProblem(problem);
    this.handlers.onChange();
  }

  /** @param {import("./microphone.js").Batch} batch */
  #heard({ pcm, rms }) {
    this.levels.user = rms;
    if (this.transport.serverPlays) return; // it hears the track
    if (this.settings.detection !== "manual" || this.hold.isHeld) {
      this.connection.send(protocol.audioAppend(pcm));
    }
  }

  /** @param {string} itemId */
  #started(itemId) {
    this.turn.awaiting = false;
    const arrivedAt = this.turn.firstAudioAt.get(itemId);
    const message = this.conversation.messages.get(itemId);
    if (message && arrivedAt !== undefined) {
      const outputMs = (this.context?.outputLatency ?? 0) * 1000;
      const localDelayMs = performance.now() - arrivedAt + outputMs;
      this.conversation.change(message, { localDelayMs });
    }
    this.handlers.onChange();
  }

  /**
   * @param {string} itemId
   * @param {number} playedMs
   */
  #position(itemId, playedMs) {
    const message = this.conversation.messages.get(itemId);
    if (!message) return;
    const state = playedMs === Infinity ? "done" : message.state;
    this.conversation.change(message, { heardMs: playedMs, state });
    if (playedMs === Infinity) this.handlers.onChange();
  }

  /**
   * @param {import("./connection.js").ConnectionState} state
   * @param {number} retryMs
   */
  #connectionChanged(state, retryMs) {
    if (state === "waiting" && this.turn.awaiting) this.replyDue = true;
    if (state !== "open") {
      void this.hush();
      this.turn = new Turn();
      if (state !== "connecting") this.transport.hangUp();
    }
    if (state === "waiting") this.handlers.onRetry(retryMs);
    this.handlers.onChange();
  }

  /** @param {number} closeCode */
  async #refused(closeCode) {
    this.microphone.close();
    this.levels.user = 0;
    const { target, settings } = this;
    const busy = closeCode === TRY_AGAIN_LATER;
    this.fail(busy ? serverFull() : await explainRefusal(target.server, settings.key));
  }
}
