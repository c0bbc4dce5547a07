// @ts-check
/**
 * PCM16 as the wire carries it: little-endian 16-bit samples in base64, and their loudness.
 * Not a resampler: rates are changed in the worklets.
 */

/** Rate of PCM16 on the wire. */
export const WIRE_RATE_HZ = 24_000;

/** Bytes turned into characters at once; larger calls overflow the argument stack. */
const STRIDE_BYTES = 0x8000;

/**
 * @param {Int16Array} samples
 * @returns {string}
 */
export function encodeBase64(samples) {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  let text = "";
  for (let start = 0; start < bytes.length; start += STRIDE_BYTES) {
    text += String.fromCharCode(...bytes.subarray(start, start + STRIDE_BYTES));
  }
  return btoa(text);
}

/**
 * @param {string} text
 * @returns {Int16Array}
 */
export function decodeBase64(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length & ~1);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return new Int16Array(bytes.buffer);
}

/**
 * Milliseconds that so many samples last on the wire.
 * @param {number} samples
 */
export function wireMs(samples) {
  return (samples * 1000) / WIRE_RATE_HZ;
}

const QUIETEST_DBFS = -60;
const LOUDEST_DBFS = -12;

/**
 * Where an RMS amplitude stands on a meter: 0 is silence, 1 is loud speech.
 * @param {number} rms
 */
export function meterLevel(rms) {
  if (rms <= 0) return 0;
  const dbfs = 20 * Math.log10(rms);
  return Math.min(1, Math.max(0, (dbfs - QUIETEST_DBFS) / (LOUDEST_DBFS - QUIETEST_DBFS)));
}
