// @openai/agents-realtime in Chromium: a page of another origin, with a client secret.

import { inBrowser } from "./browser.mjs";
import { verdictLine } from "./kit.mjs";
import { clientSecret, given, versions } from "./node_kit.mjs";

export async function hold(name, transport) {
  const options = given();
  const call = { transport, url: options.url, patienceS: options.patience };
  call.apiKey = await clientSecret(options.url);
  const [results, chromium] = await inBrowser("agents_page.mjs", options, (page) =>
    page.evaluate(([name, call]) => window.hold(name, call), [name, call]),
  );
  const used = { ...versions("@openai/agents-realtime"), chromium };
  const note = "a page of another origin in Chromium, with a client secret";
  console.log(verdictLine(name, used, results, note));
  process.exit(0);
}
