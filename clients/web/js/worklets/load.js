// @ts-check
/**
 * Brings a worklet from the server into an audio context. Runs on the page, not in a worklet.
 */

import { serverGone } from "../problems.js";

/**
 * @param {AudioContext} context
 * @param {"capture" | "playback"} name
 */
export async function loadWorklet(context, name) {
  try {
    await context.audioWorklet.addModule(new URL(`${name}.js`, import.meta.url));
  } catch {
    throw serverGone(); // the browser tells no more than that it could not be fetched
  }
}
