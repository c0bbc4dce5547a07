// @ts-check
/**
 * What each server event means for the page. The only place that reads the server's events.
 */

import { decodeBase64, wireMs } from "./pcm.js";
import { Problem, serverProblem } from "./problems.js";
import * as protocol from "./protocol.js";

/**
 * @typedef {import("./session.js").Session} Session
 * @typedef {import("./connection.js").WireEvent} WireEvent
 * @typedef {(session: Session, event: WireEvent) => void} Handler
 */

/**
 * @param {Session} session
 * @param {WireEvent} event
 */
export function receive(session, event) {
  HANDLERS[event.type]?.(session, event);
}

/** @type {Record<string, Handler>} */
const HANDLERS = {
  "session.created": sessionCreated,
  error: serverError,
  "input_audio_buffer.speech_started": speechStarted,
  "input_audio_buffer.speech_stopped": speechStopped,
  "input_audio_buffer.committed": committed,
  "voiceserver.input_transcript.interim": heardSoFar,
  "conversation.item.input_audio_transcription.delta": heardPart,
  "conversation.item.input_audio_transcription.completed": heardAll,
  "conversation.item.input_audio_transcription.failed": heardNothing,
  "conversation.item.deleted": ({ conversation }, { item_id }) => conversation.remove(item_id),
  "response.created": responseCreated,
  "response.output_item.added": outputAdded,
  "response.output_audio.delta": audioDelta,
  "response.output_audio_transcript.delta": spokenDelta,
  "response.output_text.delta": writtenDelta,
  "response.output_audio.done": audioDone,
  "response.done": responseDone,
  "output_audio_buffer.started": soundBegan,
  "output_audio_buffer.stopped": soundEnded,
  "output_audio_buffer.cleared": soundCleared,
  "conversation.item.truncated": truncated,
  "voiceserver.turn.timing": turnTiming,
};

/** @type {Handler} */
function sessionCreated(session, event) {
  const { conversation, connection } = session;
  session.defaultInstructions = event.session.instructions ?? "";
  session.applySettings();
  for (const { id, role, text } of conversation.replay()) {
    connection.send(protocol.itemCreate(id, role, text));
  }
  session.failed = false;
  session.handlers.onProblem(null);
  if (session.replyDue) session.askForReply();
  session.handlers.onChange();
}

/** @type {Handler} */
function serverError(session, { error }) {
  const problem = serverProblem(error);
  if (problem) session.handlers.onProblem(problem);
}

/** @type {Handler} */
function speechStarted(session, { item_id }) {
  session.turn.userSpeaking = true;
  session.turn.awaiting = false;
  if (!session.transport.serverPlays) void session.hush(); // else it stops what it means to stop
  removeEmptyTurns(session);
  session.conversation.message(item_id, "user");
  session.handlers.onProblem(null);
  session.handlers.onChange();
}

/** @type {Handler} */
function speechStopped(session) {
  session.turn.userSpeaking = false;
  session.handlers.onChange();
}

/** @type {Handler} */
function committed(session, { item_id }) {
  session.turn.userSpeaking = false;
  session.turn.awaiting = true;
  session.conversation.message(item_id, "user");
  session.handlers.onChange();
}

/**
 * What the user seems to be saying, while they say it; each guess replaces the one before.
 * @type {Handler}
 */
function heardSoFar({ conversation }, { item_id, transcript }) {
  const message = conversation.messages.get(item_id);
  if (message?.state !== "live") return;
  conversation.change(message, { guessed: true });
  conversation.write(message, transcript);
}

/** @type {Handler} */
function heardPart({ conversation }, { item_id, delta }) {
  const message = conversation.message(item_id, "user");
  if (message.guessed) conversation.change(message, { guessed: false, segments: [] });
  conversation.append(message, delta, 0);
}

/** @type {Handler} */
function heardAll(session, event) {
  const { conversation } = session;
  const text = event.transcript.trim();
  if (!text) return heardNothing(session, event);
  const message = conversation.message(event.item_id, "user");
  conversation.write(message, text);
  conversation.change(message, { guessed: false, state: "done" });
}

/** @type {Handler} */
function heardNothing(session, { item_id }) {
  session.conversation.remove(item_id);
  if (!session.turn.responseId) session.turn.awaiting = false;
  session.handlers.onChange();
}

/** @type {Handler} */
function responseCreated(session, { response }) {
  session.turn.responseId = response.id;
  session.turn.awaiting = true;
  session.handlers.onChange();
}

/** @type {Handler} */
function outputAdded({ conversation, turn }, { response_id, item }) {
  if (item.type !== "message") return;
  turn.items.set(response_id, item.id);
  conversation.message(item.id, "assistant");
}

/** @type {Handler} */
function audioDelta(session, { response_id, item_id, delta }) {
  if (session.turn.silenced.has(response_id)) return;
  const pcm = decodeBase64(delta);
  const message = session.conversation.message(item_id, "assistant");
  if (!session.turn.firstAudioAt.has(item_id))
    session.turn.firstAudioAt.set(item_id, performance.now());
  message.receivedMs += wireMs(pcm.length);
  session.player.push(item_id, pcm);
}

/**
 * A word comes with or just before its sound, unless the event says when it is spoken.
 * @type {Handler}
 */
function spokenDelta({ conversation }, { item_id, delta, start_time }) {
  const message = conversation.message(item_id, "assistant");
  const startMs = typeof start_time === "number" ? start_time * 1000 : message.receivedMs;
  conversation.append(message, delta, startMs);
}

/** @type {Handler} */
function writtenDelta({ conversation }, { item_id, delta }) {
  const message = conversation.message(item_id, "assistant");
  message.heardMs = Infinity;
  conversation.append(message, delta, 0);
}

/** @type {Handler} */
function audioDone({ player }, { item_id }) {
  player.end(item_id);
}

/** @type {Handler} */
function responseDone(session, { response }) {
  const { conversation, player } = session;
  if (session.turn.responseId === response.id) session.turn.responseId = null;
  session.turn.awaiting = false;
  for (const { id } of response.output ?? []) {
    const message = conversation.messages.get(id);
    if (!message || player.isUnheard(id)) continue;
    if (!message.text) conversation.remove(id);
    else if (message.state === "live") {
      const cut = response.status === "cancelled";
      conversation.change(
        message,
        cut ? { state: "interrupted" } : { state: "done", heardMs: Infinity },
      );
    }
  }
  if (response.status === "failed") {
    const reason = response.status_details?.error;
    session.handlers.onProblem(
      serverProblem(reason ?? {}) ?? new Problem("No answer came.", "Ask again."),
    );
  }
  session.handlers.onChange();
}

/**
 * Where the server plays, it says when each answer's sound begins and ends.
 * @type {Handler}
 */
function soundBegan({ turn, transport, handlers }, { response_id }) {
  const itemId = turn.items.get(response_id);
  if (itemId === undefined || turn.silenced.has(response_id)) return;
  turn.firstAudioAt.set(itemId, performance.now());
  transport.voice.begin(itemId);
  handlers.onChange();
}

/** @type {Handler} */
function soundEnded({ turn, transport }, { response_id }) {
  transport.voice.end(turn.items.get(response_id) ?? "");
}

/** @type {Handler} */
function soundCleared({ turn, transport, handlers }, { response_id }) {
  transport.voice.cut(turn.items.get(response_id) ?? "");
  handlers.onChange();
}

/**
 * Where the server plays, it knows best how much was heard.
 * @type {Handler}
 */
function truncated({ conversation, transport }, { item_id, audio_end_ms }) {
  const message = conversation.messages.get(item_id);
  if (message && transport.serverPlays) conversation.interrupt(message, audio_end_ms);
}

/** @type {Handler} */
function turnTiming({ conversation, turn }, event) {
  const message = conversation.messages.get(turn.items.get(event.response_id) ?? "");
  if (!message) return;
  const { end_of_turn_ms, recognised_ms, first_text_ms, first_audio_ms } = event;
  const timing = { end_of_turn_ms, recognised_ms, first_text_ms, first_audio_ms };
  conversation.change(message, { timing });
}

/**
 * Turns that began and came to nothing.
 * @param {Session} session
 */
function removeEmptyTurns({ conversation }) {
  for (const { id, role, state, text } of conversation.messages.values()) {
    if (role === "user" && state === "live" && !text) conversation.remove(id);
  }
}
