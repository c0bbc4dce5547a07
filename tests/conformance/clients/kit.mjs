// What the JavaScript clients share, in Node and in browsers: steps with a verdict, events as they
// come, a microphone that never stops.

export const RATE_HZ = 24_000;
export const TYPED = "Hello, how are you today?";
export const STORY = "Tell me a long story about a dog, a cat and the sea.";
export const WEATHER = "Please call the weather function: what is the weather in Rome?";
export const WEATHER_FUNCTION = {
  type: "function",
  name: "weather",
  description: "The weather in a city",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};
export const DEGREES = "20 degrees";
export const STEPS = ["spoken", "typed", "interruption", "tool"];

const PACKET_MS = 20;
const SOUNDING_PIECES = 6; // about half a second
const PACKET_BYTES = (2 * RATE_HZ * PACKET_MS) / 1000;

export function check(holds, what) {
  if (!holds) throw new Error(typeof what === "string" ? what : JSON.stringify(what));
}

/** What became of each step of a call. */
export class Verdicts {
  constructor(client, patienceS) {
    this.client = client;
    this.results = {};
    this.patienceS = patienceS;
  }

  async step(name, what) {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, this.patienceS * 1000, `nothing within ${this.patienceS} s`);
    });
    const done = what().then(
      () => "ok",
      (error) => {
        console.error(error);
        return String(error).slice(0, 300);
      },
    );
    this.results[name] = await Promise.race([done, late]);
    clearTimeout(timer);
  }

  line(versions, note) {
    return verdictLine(this.client, versions, this.results, note);
  }
}

/** What run.py reads; a note says what is special about how the client was run. */
export function verdictLine(client, versions, results, note) {
  return `VERDICT ${JSON.stringify({ client, versions, results, note })}`;
}

/** Events as they come, and waiting for one. */
export class Seen {
  events = [];
  #waiting = new Set();

  add(event) {
    this.events.push(event);
    for (const look of [...this.#waiting]) look();
  }

  /** The place of the first event, of those since then, that is wanted. */
  until(wanted, since = 0) {
    let at = since;
    return new Promise((resolve) => {
      const look = () => {
        while (at < this.events.length && !wanted(this.events[at])) at += 1;
        if (at === this.events.length) return this.#waiting.add(look);
        this.#waiting.delete(look);
        resolve(at);
      };
      look();
    });
  }
}

/** Where sound comes inside events: a reply, begun since then, can be heard. */
export async function soundingInEvents(seen, since) {
  const isSound = (event) => event.type === "response.output_audio.delta";
  let at = since;
  for (let i = 0; i < SOUNDING_PIECES; i += 1) at = (await seen.until(isSound, at)) + 1;
}

/** Sends a packet every 20 ms: silence, or what is said. */
export class Microphone {
  #send;
  #waiting = new Uint8Array(0);
  #timer;

  constructor(send) {
    this.#send = send;
  }

  say(pcm16) {
    this.#waiting = joined(this.#waiting, pcm16);
  }

  open() {
    const begun = performance.now();
    let sent = 0;
    this.#timer = setInterval(() => {
      for (; sent * PACKET_MS <= performance.now() - begun; sent += 1) this.#sendOne();
    }, PACKET_MS);
  }

  close() {
    clearInterval(this.#timer);
  }

  #sendOne() {
    const packet = new Uint8Array(PACKET_BYTES);
    packet.set(this.#waiting.subarray(0, PACKET_BYTES));
    this.#waiting = this.#waiting.subarray(PACKET_BYTES);
    this.#send(packet);
  }
}

function joined(first, second) {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
