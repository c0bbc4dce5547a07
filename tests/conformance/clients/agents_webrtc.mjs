// @openai/agents-realtime over WebRTC, in Chromium.

import { hold } from "./agents_browser.mjs";

await hold("openai-agents-js WebRTC", "webrtc");
