// @ts-check
/**
 * What went wrong, in words for the person at the page: what happened and what to do about it.
 */

export class Problem extends Error {
  /**
   * @param {string} title
   * @param {string} advice
   */
  constructor(title, advice) {
    super(`${title} ${advice}`);
    this.title = title;
    this.advice = advice;
  }
}

/** The browser hides microphones and audio worklets from pages that came over plain http. */
export function insecurePage() {
  return new Problem(
    "The browser allows no microphone on this page.",
    "It came over plain http: use https, or http://localhost on the server. You can still type.",
  );
}

/**
 * @param {unknown} cause what getUserMedia threw
 * @returns {Problem}
 */
export function microphoneProblem(cause) {
  const name = cause instanceof DOMException ? cause.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") {
    return new Problem(
      "The microphone is blocked.",
      "Allow it in the browser's site settings, then press the button again. You can still type.",
    );
  }
  if (name === "NotFoundError" || name === "OverconstrainedError") {
    return new Problem(
      "No microphone was found.",
      "Plug one in and press the button again. You can still type.",
    );
  }
  if (name === "NotReadableError" || name === "AbortError") {
    return new Problem(
      "The microphone is busy.",
      "Another program may be holding it. Close that and press the button again.",
    );
  }
  return new Problem("The microphone could not be opened.", String(cause));
}

/** @param {unknown} cause what opening a device threw */
export function soundProblem(cause) {
  return cause instanceof Problem ? cause : new Problem("Sound could not be opened.", String(cause));
}

/** Wire error codes that deserve better words than the server's own. */
const KNOWN_CODES = new Map([
  [
    "engine_restarted",
    new Problem(
      "The speech engine is restarting.",
      "Your conversation is kept; say that again in a moment.",
    ),
  ],
  [
    "session_expired",
    new Problem("The session reached its time limit.", "A new one continues where you were."),
  ],
]);

/** Errors that only say that something had already ended; no person needs to read them. */
const HARMLESS_CODES = new Set([
  "response_cancel_not_active",
  "item_truncate_invalid_item_id",
  "item_delete_invalid_item_id",
]);

/**
 * @param {{code?: string | null, message?: string}} error body of an `error` event
 * @returns {Problem | null} null: not worth telling
 */
export function serverProblem({ code, message }) {
  if (code && HARMLESS_CODES.has(code)) return null;
  const known = code ? KNOWN_CODES.get(code) : undefined;
  return known ?? new Problem("The server reports a problem.", message ?? "It gave no reason.");
}

/**
 * Why a socket was refused. The browser does not say, so ask over plain HTTP.
 * @param {string} server
 * @param {string} key
 * @returns {Promise<Problem>}
 */
export async function explainRefusal(server, key) {
  try {
    const headers = key ? { Authorization: `Bearer ${key}` } : undefined;
    const models = await fetch(new URL("/v1/models", server), { headers, cache: "no-store" });
    if (models.status === 401) {
      return new Problem("The server asks for an access key.", "Enter it in the settings.");
    }
    const health = await (await fetch(new URL("/health", server), { cache: "no-store" })).json();
    if (health.status === "ok") {
      return health.sessions >= health.session_limit ? serverFull() : serverRefused();
    }
    const what = health.status === "stopping" ? "server is stopping" : "speech engine is starting";
    return new Problem(`The ${what}.`, "Try again in a moment.");
  } catch {
    return serverGone();
  }
}

function serverRefused() {
  return new Problem("The server refused the conversation.", "Try again.");
}

export function serverGone() {
  return new Problem("The server does not answer.", "Check that it is running, then try again.");
}

export function serverFull() {
  return new Problem(
    "The server is busy.",
    "All its places are taken by other conversations. Try again in a moment.",
  );
}
