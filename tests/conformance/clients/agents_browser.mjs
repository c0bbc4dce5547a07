// @openai/agents-realtime in Chromium: a page of another origin, with a client secret.

import { inBrowser } from "./browser.mjs";
import { clientSecret, given, versions } from "./node_kit.mjs";

export async function hold(name, transport) {
  const options = given();
  const call = { transport, url: options.url, patienceS: options.patience };
  call.apiKey = await clientSecret(options.url);
  const [results, chromium] = await inBrowser("agents_page.mjs", options, (page) =>
    page.evaluate(([name, call]) => window.hold(name, call), [name, call]),
  );
  const used = { ...versions("@openai/agents-realtime"), chromium };
  console.log(`VERDICT ${JSON.stringify({ client: name, versions: used, results })}`);
  process.exit(0);
}
