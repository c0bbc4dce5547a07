// The page in which openai-node's `OpenAIRealtimeWebRTC` runs. Its server exchanges the SDP.

import { OpenAIRealtimeWebRTC } from "/node_modules/openai/realtime/webrtc.mjs";

import { Tracks } from "/page_media.mjs";
import { Call } from "/openai_call.mjs";

window.hold = async (name, patienceS) => {
  const connection = new OpenAIRealtimeWebRTC();
  const peer = connection.peerConnection;
  const media = new Tracks(() => peer);
  const options = { tracks: true, toolsElsewhere: true };
  const call = new Call((event) => connection.send(event), media, options);
  connection.onEvent((event) => call.seen.add(event));
  const loudspeaker = document.createElement("audio");
  loudspeaker.autoplay = true;
  peer.ontrack = ({ track }) => {
    loudspeaker.srcObject = new MediaStream([track]);
  };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  peer.addTrack(microphone.getAudioTracks()[0], microphone);
  await connection.connect({ exchangeSdp: (sdp) => window.exchangeSdp(sdp) });
  const verdicts = await call.holdAll(name, patienceS);
  connection.close();
  return verdicts.results;
};
