// openai-node, `OpenAIRealtimeWS`: the socket of the package ws, the key in a header.

import { OpenAIRealtimeWS } from "openai/realtime/ws";

import { hold } from "./openai_sockets.mjs";

const connect = (client) => new OpenAIRealtimeWS({ model: "nano" }, client);
await hold("openai-node ws", connect, "over TLS");
