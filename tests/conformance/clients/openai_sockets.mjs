// openai-node in Node: a call over one of its sockets.

import OpenAI from "openai";

import { Microphone, WEATHER_FUNCTION, soundingInEvents } from "./kit.mjs";
import { given, sound, versions } from "./node_kit.mjs";
import { Call } from "./openai_call.mjs";

export const SESSION = {
  type: "realtime",
  tools: [WEATHER_FUNCTION],
  audio: { input: { transcription: { model: "whisper-1" } } },
};

/** A call over the socket that `connect(client)` opens. */
export async function hold(name, connect, note) {
  const options = given();
  const realtime = await connect(new OpenAI({ baseURL: options.url, apiKey: "none" }));
  const microphone = new Microphone((packet) => {
    const audio = Buffer.from(packet).toString("base64");
    realtime.send({ type: "input_audio_buffer.append", audio });
  });
  const say = (name) => microphone.say(sound(options[name]));
  const send = (event) => realtime.send(event);
  const call = new Call(send, { say, sounding: soundingInEvents });
  realtime.on("event", (event) => call.seen.add(event));
  realtime.on("error", (error) => console.error("error:", error.message));
  await call.until("session.created", 0);
  send({ type: "session.update", session: SESSION });
  await call.until("session.updated", 0);
  microphone.open();
  const verdicts = await call.holdAll(name, options.patience);
  microphone.close();
  realtime.close();
  console.log(verdicts.line({ ...versions("openai"), node: process.versions.node }, note));
  process.exit(0);
}
