// The page in which @openai/agents-realtime runs, from the bundle in its package.

import * as sdk from "/node_modules/@openai/agents-realtime/dist/bundle/openai-realtime-agents.mjs";

import { Call, spokenOverWebSocket } from "/agents_call.mjs";
import { Microphone } from "/kit.mjs";

const WAV_HEADER_BYTES = 44;
const HEARD_ENERGY = 0.005; // of the voice since the answer began; silence has none
const LOOK_MS = 50;

async function file(name) {
  return (await fetch(`/${name}.wav`)).arrayBuffer();
}

/** With the SDK's own microphone and loudspeaker. The fake microphone asks the question. */
function overWebRTC(url) {
  const transport = new sdk.OpenAIRealtimeWebRTC({ baseUrl: `${url}/realtime/calls` });
  const peer = () => transport.connectionState.peerConnection;
  const context = new AudioContext();

  async function say(name) {
    if (name === "question") return;
    const buffer = await context.decodeAudioData(await file(name));
    const source = new AudioBufferSourceNode(context, { buffer });
    const voice = context.createMediaStreamDestination();
    source.connect(voice);
    await peer().getSenders()[0].replaceTrack(voice.stream.getAudioTracks()[0]);
    source.start();
  }

  async function energy() {
    for (const report of (await peer().getStats()).values()) {
      if (report.type === "inbound-rtp") return report.totalAudioEnergy;
    }
    return 0;
  }

  async function sounded(call, since) {
    await call.until("output_audio_buffer.started", since);
    const before = await energy();
    while ((await energy()) < before + HEARD_ENERGY) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  return [new Call(sdk, transport, say, sounded), {}];
}

function overWebSocket(url) {
  const say = async (name) => microphone.say(new Uint8Array(await file(name), WAV_HEADER_BYTES));
  const call = new Call(sdk, "websocket", say, spokenOverWebSocket);
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
