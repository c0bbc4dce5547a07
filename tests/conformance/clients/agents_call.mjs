// @openai/agents-realtime: a call through a RealtimeSession, in Node and in browsers. The SDK runs
// the tool by itself.

import { DEGREES, STEPS, STORY, Seen, TYPED, Verdicts, WEATHER } from "./kit.mjs";
import { WEATHER_FUNCTION, check } from "./kit.mjs";

const SESSION_EVENTS = ["agent_start", "agent_end", "audio_interrupted", "error"];

/** `sdk` is the package; `say(name)` speaks a sound, `sounding(seen, since)` waits for ours. */
export class Call {
  constructor(sdk, transport, say, sounding) {
    this.say = say;
    this.sounding = sounding;
    this.seen = new Seen();
    this.called = [];
    const { name, description, parameters } = WEATHER_FUNCTION;
    const execute = ({ city }) => {
      this.called.push(city);
      return DEGREES;
    };
    const weather = sdk.tool({ name, description, parameters, strict: true, execute });
    const tools = [weather];
    const agent = new sdk.RealtimeAgent({ name: "assistant", instructions: "Be brief.", tools });
    this.session = new sdk.RealtimeSession(agent, { transport, model: "nano" });
    for (const type of SESSION_EVENTS) {
      this.session.on(type, (...details) => this.seen.add({ type: `session: ${type}`, details }));
    }
    this.session.on("transport_event", (event) => this.seen.add(event));
    this.session.on("error", ({ error }) => console.error("error:", error));
  }

  /** One step; an error fails it. */
  async hold(step) {
    const since = this.seen.events.length;
    await this[step]();
    const errors = this.seen.events.slice(since).filter(({ type }) => type.endsWith("error"));
    check(errors.length === 0, "errors were seen");
  }

  async holdAll(name, patienceS) {
    const verdicts = new Verdicts(name, patienceS);
    for (const step of STEPS) await verdicts.step(step, () => this.hold(step));
    return verdicts;
  }

  /** The place after the next event of this type. */
  async until(type, since) {
    return (await this.seen.until((event) => event.type === type, since)) + 1;
  }

  /** The place after a reply that was heard and not interrupted. */
  async answered(since) {
    await this.sounding(this.seen, since);
    const isWhole = (event) => event.response?.status === "completed";
    return this.until("session: agent_end", await this.seen.until(isWhole, since));
  }

  write(text) {
    const since = this.seen.events.length;
    this.session.sendMessage(text);
    return since;
  }

  async spoken() {
    this.say("question");
    await this.answered(0);
    await this.until("conversation.item.retrieved", 0); // what the SDK asks for once it is read
    const said = this.session.history.filter((item) => item.role === "user");
    check(said.some(({ content }) => content.some((part) => part.transcript)), said);
  }

  async typed() {
    await this.answered(this.write(TYPED));
    const { role, status, content } = this.session.history.at(-1);
    check(role === "assistant" && status === "completed" && content[0].transcript, content);
  }

  async interruption() {
    const since = this.write(STORY);
    await this.sounding(this.seen, since);
    this.say("interruption");
    const stopped = await this.until("input_audio_buffer.speech_started", since);
    const cut = await this.until("conversation.item.truncated", stopped);
    await this.answered(await this.until("session: agent_start", stopped));
    const { item_id } = this.seen.events[cut - 1];
    const [story] = this.session.history.filter((item) => item.itemId === item_id);
    check(story.status === "incomplete", story);
  }

  async tool() {
    const since = this.write(WEATHER);
    const ended = await this.until("session: agent_end", since);
    await this.answered(ended);
    check(this.called.join() === "Rome", this.called);
    const [call] = this.session.history.filter((item) => item.type === "function_call");
    check(call.output === DEGREES, call);
  }
}
