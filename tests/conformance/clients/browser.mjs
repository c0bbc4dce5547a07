// Chromium with a page of its own, and a microphone that asks the question.

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { RATE_HZ } from "./kit.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const LEAD_S = 5; // of silence, for the call to be set up
const WAV_HEADER_BYTES = 44;
const TYPES = { mjs: "text/javascript", wav: "audio/wav" };

function browserPath() {
  for (const name of NAMES) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      continue;
    }
  }
  throw new Error("no chromium on this machine (Debian: apt install chromium)");
}

/** What the page needs: our modules, the packages, the sounds. */
async function servePage(script, options) {
  const html = `<!doctype html><title>call</title><link rel="icon" href="data:,">
    <script type="module" src="/${script}"></script>`;
  const server = createServer((request, response) => {
    const name = request.url.split("?")[0].slice(1);
    const type = TYPES[name.split(".").at(-1)] ?? "text/html";
    const sound = options[name.replace(".wav", "")];
    try {
      const body = name ? readFileSync(sound ?? new URL(name, import.meta.url)) : html;
      response.writeHead(200, { "Content-Type": type }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

/** A WAV file for Chromium's fake microphone: silence, then the question. */
function microphoneFile(question) {
  const wav = readFileSync(question);
  const lead = Buffer.alloc(2 * RATE_HZ * LEAD_S);
  const header = Buffer.from(wav.subarray(0, WAV_HEADER_BYTES));
  header.writeUInt32LE(header.readUInt32LE(4) + lead.length, 4);
  header.writeUInt32LE(header.readUInt32LE(40) + lead.length, 40);
  const path = join(tmpdir(), `microphone-${process.pid}.wav`);
  writeFileSync(path, Buffer.concat([header, lead, wav.subarray(WAV_HEADER_BYTES)]));
  return path;
}

/** What `use(page)` returns, and the browser's version. The page runs `script`: it sets `hold`. */
export async function inBrowser(script, options, use) {
  const microphone = microphoneFile(options.question);
  const browser = await chromium.launch({
    executablePath: browserPath(),
    args: [
      "--no-sandbox",
      "--disable-background-networking",
      "--autoplay-policy=no-user-gesture-required",
      "--use-fake-device-for-media-stream",
      `--use-file-for-fake-audio-capture=${microphone}%noloop`,
    ],
  });
  const context = await browser.newContext({ permissions: ["microphone"] });
  const page = await context.newPage();
  page.on("console", (message) => console.error(`page: ${message.text()}`));
  page.on("pageerror", (error) => console.error("page:", error));
  await page.goto(await servePage(script, options));
  await page.waitForFunction(() => "hold" in window);
  const results = await use(page);
  await browser.close();
  rmSync(microphone);
  return [results, browser.version()];
}
