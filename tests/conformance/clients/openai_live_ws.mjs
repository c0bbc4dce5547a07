// openai-node, `LiveWS`: GPT-Live with Responses delegation for the tool.

import OpenAI from "openai";
import { LiveWS } from "openai/resources/live/ws";

import { DEGREES, Microphone, STEPS, STORY, Seen, TYPED, Verdicts } from "./kit.mjs";
import { WEATHER, WEATHER_FUNCTION, check } from "./kit.mjs";
import { given, sound, versions } from "./node_kit.mjs";

const DELEGATION = { type: "responses", responses: { model: "any", tools: [WEATHER_FUNCTION] } };
const LOUD = 300; // of 32768
const TOLD = "session.output_transcript.delta";
const HEARD = "session.input_transcript.delta";

function isLoud(base64) {
  const samples = new Int16Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer);
  return samples.some((sample) => Math.abs(sample) > LOUD);
}

class Call {
  seen = new Seen();

  constructor(live, say) {
    this.live = live;
    this.say = say;
    live.on("event", (event) => this.seen.add(event));
    live.on("error", (error) => console.error("error:", error.message));
  }

  async until(type, since) {
    const at = await this.seen.until((event) => event.type === type, since);
    return [this.seen.events[at], at + 1];
  }

  ask(content) {
    const since = this.seen.events.length;
    this.live.send({ type: "session.commentary.append", content, delegation_id: null });
    return since;
  }

  /** The assistant speaks, and has finished: words with sound, then a second of silence. */
  async answered(since) {
    let [text, loud, quiet] = ["", 0, 0];
    for (let at = since; !(text && loud > 4 && quiet > 12); at += 1) {
      const event = this.seen.events[await this.seen.until(() => true, at)];
      if (event.type === TOLD) text += event.delta;
      if (event.type !== "session.output_audio.delta") continue;
      const sounds = isLoud(event.delta);
      loud += sounds;
      quiet = sounds ? 0 : quiet + 1;
    }
    return text;
  }

  async spoken() {
    this.say("question");
    const [heard] = await this.until(HEARD, 0);
    check(heard.delta.trim() && heard.end_ms > heard.start_ms, heard);
    await this.answered(0);
  }

  async typed() {
    await this.answered(this.ask(TYPED));
  }

  async interruption() {
    let since = this.ask(STORY);
    for (let i = 0; i < 8; i += 1) [, since] = await this.until(TOLD, since);
    this.say("interruption");
    const [, heard] = await this.until(HEARD, since);
    const told = this.seen.events.filter((event) => event.type === TOLD);
    check(told.length < 60, "the story was told to its end");
    await this.answered(heard);
  }

  async tool() {
    let since = this.ask(WEATHER);
    const [created] = await this.until("session.delegation.created", since);
    const isCall = ({ type, event }) =>
      type === "response.event" && event.type === "response.output_item.done";
    const { item } = this.seen.events[await this.seen.until(isCall, since)].event;
    check(item.name === "weather" && JSON.parse(item.arguments).city === "Rome", item);
    await this.answered(since);
    since = this.seen.events.length;
    const output = { type: "function_call_output", call_id: item.call_id, output: DEGREES };
    this.live.send({ type: "response.item.create", item: output });
    this.live.send({ type: "response.create" });
    const text = await this.answered(since);
    check(text.includes("20"), text);
    const [continued] = await this.until("response.event", since);
    check(continued.delegation_id === created.delegation.id, continued);
  }
}

const options = given();
const live = new LiveWS(new OpenAI({ baseURL: options.url, apiKey: "none" }));
const microphone = new Microphone((packet) => {
  const audio = Buffer.from(packet).toString("base64");
  live.send({ type: "session.input_audio.append", audio });
});
const call = new Call(live, (name) => microphone.say(sound(options[name])));
live.send({ type: "session.start", session: { model: "gpt-live-1", delegation: DELEGATION } });
await call.until("session.started", 0);
microphone.open();
const verdicts = new Verdicts("openai-node live", options.patience);
for (const step of STEPS) await verdicts.step(step, () => call[step]());
microphone.close();
live.send({ type: "session.close" });
await call.until("session.closed", 0);
console.log(verdicts.line({ ...versions("openai"), node: process.versions.node }));
process.exit(0);
