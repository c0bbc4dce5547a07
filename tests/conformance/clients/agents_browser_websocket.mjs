// @openai/agents-realtime over WebSocket, in Chromium: its key travels in a subprotocol.

import { hold } from "./agents_browser.mjs";

await hold("openai-agents-js WebSocket in a browser", "websocket");
