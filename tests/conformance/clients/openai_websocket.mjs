// openai-node, `OpenAIRealtimeWebSocket`: the platform's own socket, a client secret made with the
// SDK in a subprotocol, as in browsers.

import OpenAI from "openai";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";

import { hold } from "./openai_sockets.mjs";

async function connect(client) {
  const secret = await client.realtime.clientSecrets.create({ session: { type: "realtime" } });
  const caller = new OpenAI({ baseURL: client.baseURL, apiKey: secret.value });
  return new OpenAIRealtimeWebSocket({ model: "nano" }, caller);
}

await hold("openai-node WebSocket", connect, "over TLS, with a client secret in a subprotocol");
