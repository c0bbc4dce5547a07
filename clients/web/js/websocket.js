// @ts-check
/**
 * The server reached over a WebSocket: events as text, sound inside them.
 */

/**
 * @typedef {object} Target whom to talk to
 * @property {string} server any address of the server's
 * @property {string} model
 * @property {string} key access key; empty: none
 */

/** Asks for the server's own events beside the protocol's. */
export const EXTENSIONS = { timing: "1", interim: "1" };

/**
 * @param {Target} target
 * @returns {import("./connection.js").Dial}
 */
export function dialWebSocket({ server, model, key }) {
  const url = new URL("/v1/realtime", server);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = String(new URLSearchParams({ model, ...EXTENSIONS }));
  const protocols = ["realtime", ...(key ? [`openai-insecure-api-key.${key}`] : [])];
  return ({ onMessage, onClose }) => {
    const socket = new WebSocket(url, protocols);
    socket.onmessage = ({ data }) => onMessage(data);
    socket.onclose = ({ code }) => onClose(code);
    return socket;
  };
}
