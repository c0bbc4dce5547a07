// @openai/agents-realtime over WebSocket, in Node.

import * as sdk from "@openai/agents-realtime";

import { Call } from "./agents_call.mjs";
import { Microphone, soundingInEvents } from "./kit.mjs";
import { given, sound, versions } from "./node_kit.mjs";

const options = given();
const say = (name) => microphone.say(sound(options[name]));
const call = new Call(sdk, "websocket", say, soundingInEvents);
const microphone = new Microphone((packet) => call.session.sendAudio(packet.buffer));
const url = `${options.url.replace("http", "ws")}/realtime?model=nano`;
await call.session.connect({ apiKey: "none", url });
microphone.open();
const verdicts = await call.holdAll("openai-agents-js WebSocket", options.patience);
microphone.close();
call.session.close();
console.log(verdicts.line({ ...versions("@openai/agents-realtime"), node: process.versions.node }));
process.exit(0);
