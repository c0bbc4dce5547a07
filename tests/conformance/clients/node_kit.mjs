// What only Node can do: read arguments, files and versions.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const WAV_HEADER_BYTES = 44; // as run.py writes it

export function given() {
  const options = {};
  for (const name of ["url", "question", "interruption", "patience"]) {
    options[name] = { type: "string" };
  }
  const { values } = parseArgs({ options, strict: false });
  return { ...values, patience: Number(values.patience ?? 60) };
}

/** The samples of a WAV file: int16 at 24 kHz, as bytes. */
export function sound(path) {
  return new Uint8Array(readFileSync(path).subarray(WAV_HEADER_BYTES));
}

export function versions(...packages) {
  const folder = new URL("./node_modules/", import.meta.url);
  const read = (name) => JSON.parse(readFileSync(new URL(`${name}/package.json`, folder))).version;
  return Object.fromEntries(packages.map((name) => [name, read(name)]));
}

/** A short-lived key, as the server behind a web page asks for it. */
export async function clientSecret(url) {
  const answer = await fetch(`${url}/realtime/client_secrets`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: "Bearer none" },
    body: JSON.stringify({ session: { type: "realtime", model: "nano" } }),
  });
  return (await answer.json()).value;
}
