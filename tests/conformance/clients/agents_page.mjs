// The page in which @openai/agents-realtime runs, from the bundle in its package.

import * as sdk from "/node_modules/@openai/agents-realtime/dist/bundle/openai-realtime-agents.mjs";

import { Call } from "/agents_call.mjs";
import { Microphone, soundingInEvents } from "/kit.mjs";
import { Tracks, soundFile } from "/page_media.mjs";

const WAV_HEADER_BYTES = 44;

/** With the SDK's own microphone and loudspeaker. */
function overWebRTC(url) {
  const transport = new sdk.OpenAIRealtimeWebRTC({ baseUrl: `${url}/realtime/calls` });
  const { say, sounding } = new Tracks(() => transport.connectionState.peerConnection);
  return [new Call(sdk, transport, say, sounding), {}];
}

function overWebSocket(url) {
  const say = async (name) => {
    microphone.say(new Uint8Array(await soundFile(name), WAV_HEADER_BYTES));
  };
  const call = new Call(sdk, "websocket", say, soundingInEvents);
  const microphone = new Microphone((packet) => call.session.sendAudio(packet.buffer));
  microphone.open();
  return [call, { url: `${url.replace("http", "ws")}/realtime?model=nano` }];
}

window.hold = async (name, { transport, url, apiKey, patienceS }) => {
  const [call, where] = transport === "webrtc" ? overWebRTC(url) : overWebSocket(url);
  await call.session.connect({ apiKey, ...where });
  const verdicts = await call.holdAll(name, patienceS);
  call.session.close();
  return verdicts.results;
};
