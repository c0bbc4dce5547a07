// openai-node over WebRTC as its documentation has it: the page talks, its server makes the call
// with `client.realtime.calls.create` and runs the tools over a WebSocket beside it.

import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

import { inBrowser } from "./browser.mjs";
import { DEGREES, verdictLine } from "./kit.mjs";
import { given, versions } from "./node_kit.mjs";
import { SESSION } from "./openai_sockets.mjs";

const options = given();
const client = new OpenAI({ baseURL: options.url, apiKey: "none" });

/** The SDP answer, once the tools of the call are seen to. */
async function exchangeSdp(sdp) {
  const answer = await client.realtime.calls.create({ sdp, session: SESSION });
  const callID = answer.headers.get("Location").split("/").at(-1);
  const beside = new OpenAIRealtimeWS({ callID }, client);
  beside.on("error", (error) => console.error("error beside the call:", error.message));
  beside.on("response.function_call_arguments.done", ({ call_id }) => {
    beside.once("response.done", () => {
      const item = { type: "function_call_output", call_id, output: DEGREES };
      beside.send({ type: "conversation.item.create", item });
      beside.send({ type: "response.create" });
    });
  });
  return answer.text();
}

const name = "openai-node WebRTC, sideband";
const [results, chromium] = await inBrowser("openai_page.mjs", options, async (page) => {
  await page.exposeFunction("exchangeSdp", exchangeSdp);
  return page.evaluate(([name, patience]) => window.hold(name, patience), [name, options.patience]);
});
const used = { ...versions("openai"), node: process.versions.node, chromium };
const note = "a page in Chromium; its server makes the call and runs the tool beside it";
console.log(verdictLine(name, used, results, note));
process.exit(0);
