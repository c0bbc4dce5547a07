// openai-node: a call, whichever of its sockets carries it.

import OpenAI from "openai";

import { DEGREES, Microphone, STEPS, STORY, Seen, TYPED, Verdicts } from "./kit.mjs";
import { WEATHER, WEATHER_FUNCTION, check } from "./kit.mjs";
import { given, sound, versions } from "./node_kit.mjs";

const ENOUGH_BYTES = 24_000; // of a reply: half a second

class Call {
  constructor(realtime, options) {
    this.realtime = realtime;
    this.options = options;
    this.microphone = new Microphone((packet) => {
      const audio = Buffer.from(packet).toString("base64");
      realtime.send({ type: "input_audio_buffer.append", audio });
    });
    this.seen = new Seen();
    realtime.on("event", (event) => this.seen.add(event));
    realtime.on("error", (error) => console.error("error:", error.message));
  }

  /** One step; an error event fails it. */
  async hold(step) {
    const since = this.seen.events.length;
    await this[step]();
    const errors = this.seen.events.slice(since).filter((event) => event.type === "error");
    check(errors.length === 0, errors);
  }

  async until(type, since) {
    const at = await this.seen.until((event) => event.type === type, since);
    return [this.seen.events[at], at + 1];
  }

  ask(item) {
    const since = this.seen.events.length;
    this.realtime.send({ type: "conversation.item.create", item });
    this.realtime.send({ type: "response.create" });
    return since;
  }

  write(text) {
    const content = [{ type: "input_text", text }];
    return this.ask({ type: "message", role: "user", content });
  }

  /** A reply that was heard and not interrupted. */
  async answered(since) {
    const isOver = (event) => event.type === "response.done" && event.response.status !== "cancelled";
    const { response } = this.seen.events[await this.seen.until(isOver, since)];
    check(response.status === "completed", response);
    let bytes = 0;
    for (const event of this.seen.events.slice(since)) {
      const isOurs = event.response_id === response.id;
      if (isOurs && event.type === "response.output_audio.delta") bytes += event.delta.length * 0.75;
    }
    check(bytes > ENOUGH_BYTES, "no sound");
    return response;
  }

  async spoken() {
    this.microphone.say(sound(this.options.question));
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
    let since = this.write(STORY);
    for (let i = 0; i < 12; i += 1) {
      [, since] = await this.until("response.output_audio.delta", since);
    }
    this.microphone.say(sound(this.options.interruption));
    await this.until("input_audio_buffer.speech_started", since);
    const [{ response }, next] = await this.until("response.done", since);
    check(response.status === "cancelled", response);
    check(response.status_details.reason === "turn_detected", response.status_details);
    const item_id = response.output[0].id;
    const cut = { item_id, content_index: 0, audio_end_ms: 500 };
    this.realtime.send({ type: "conversation.item.truncate", ...cut });
    const [truncated] = await this.until("conversation.item.truncated", since);
    check(truncated.item_id === item_id, truncated);
    await this.answered(next);
  }

  async tool() {
    const first = await this.answered(this.write(WEATHER));
    const calls = first.output.filter((item) => item.type === "function_call");
    check(calls.length === 1 && calls[0].name === "weather", first.output);
    check(JSON.parse(calls[0].arguments).city === "Rome", calls[0].arguments);
    const { call_id } = calls[0];
    await this.answered(this.ask({ type: "function_call_output", call_id, output: DEGREES }));
  }
}

/** A call over the socket that `connect(client)` opens. */
export async function hold(name, connect) {
  const options = given();
  const client = new OpenAI({ baseURL: options.url, apiKey: "none" });
  const realtime = await connect(client);
  const call = new Call(realtime, options);
  await call.until("session.created", 0);
  const session = {
    type: "realtime",
    tools: [WEATHER_FUNCTION],
    audio: { input: { transcription: { model: "whisper-1" } } },
  };
  realtime.send({ type: "session.update", session });
  await call.until("session.updated", 0);
  call.microphone.open();
  const verdicts = new Verdicts(name, options.patience);
  for (const step of STEPS) await verdicts.step(step, () => call.hold(step));
  call.microphone.close();
  realtime.close();
  console.log(verdicts.line({ ...versions("openai"), node: process.versions.node }));
  process.exit(0);
}
