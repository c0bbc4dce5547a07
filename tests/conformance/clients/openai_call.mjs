// The events of openai-node: a call, whatever carries it and wherever it runs.

import { DEGREES, STEPS, STORY, Seen, TYPED, Verdicts, WEATHER, check } from "./kit.mjs";

/** `send(event)`; `media` has `say(name)` and `sounding(seen, since)`.
 *
 * `tracks`: sound travels over tracks, so that the server knows what was heard.
 * `toolsElsewhere`: somebody beside the call answers for the tools.
 */
export class Call {
  seen = new Seen();

  constructor(send, media, { tracks = false, toolsElsewhere = false } = {}) {
    this.send = send;
    this.media = media;
    this.tracks = tracks;
    this.toolsElsewhere = toolsElsewhere;
  }

  async holdAll(name, patienceS) {
    const verdicts = new Verdicts(name, patienceS);
    for (const step of STEPS) await verdicts.step(step, () => this.hold(step));
    return verdicts;
  }

  /** One step; an error event fails it. */
  async hold(step) {
    const since = this.seen.events.length;
    await this[step]();
    const errors = this.seen.events.slice(since).filter((event) => event.type === "error");
    check(errors.length === 0, errors);
  }

  /** The next event of this type, and the place after it. */
  async until(type, since) {
    const at = await this.seen.until((event) => event.type === type, since);
    return [this.seen.events[at], at + 1];
  }

  ask(item) {
    const since = this.seen.events.length;
    this.send({ type: "conversation.item.create", item });
    this.send({ type: "response.create" });
    return since;
  }

  write(text) {
    const content = [{ type: "input_text", text }];
    return this.ask({ type: "message", role: "user", content });
  }

  /** A reply that was heard and not interrupted, and the place after it. */
  async answered(since) {
    await this.media.sounding(this.seen, since);
    const isOver = ({ type, response }) =>
      type === "response.done" && response.status !== "cancelled";
    const at = await this.seen.until(isOver, since);
    const { response } = this.seen.events[at];
    check(response.status === "completed", response);
    return [response, at + 1];
  }

  async spoken() {
    this.media.say("question");
    await this.until("input_audio_buffer.speech_started", 0);
    await this.until("input_audio_buffer.committed", 0);
    const heard = "conversation.item.input_audio_transcription.completed";
    const [asked] = await this.until(heard, 0);
    check(asked.transcript.trim(), "nothing understood");
    await this.answered(0);
  }

  async typed() {
    await this.answered(this.write(TYPED));
  }

  async interruption() {
    const since = this.write(STORY);
    await this.media.sounding(this.seen, since);
    this.media.say("interruption");
    await this.until("input_audio_buffer.speech_started", since);
    const [{ response }, next] = await this.until("response.done", since);
    check(response.status === "cancelled", response);
    check(response.status_details.reason === "turn_detected", response.status_details);
    const item_id = response.output[0].id;
    const cut = { item_id, content_index: 0, audio_end_ms: 500 };
    if (!this.tracks) this.send({ type: "conversation.item.truncate", ...cut });
    const [truncated] = await this.until("conversation.item.truncated", since);
    check(truncated.item_id === item_id, truncated);
    await this.answered(next);
  }

  async tool() {
    const [first, next] = await this.answered(this.write(WEATHER));
    const calls = first.output.filter((item) => item.type === "function_call");
    check(calls.length === 1 && calls[0].name === "weather", first.output);
    check(JSON.parse(calls[0].arguments).city === "Rome", calls[0].arguments);
    const { call_id } = calls[0];
    const output = { type: "function_call_output", call_id, output: DEGREES };
    const [told] = await this.answered(this.toolsElsewhere ? next : this.ask(output));
    check(told.output[0].content[0].transcript.includes(DEGREES), told.output);
  }
}
