// @ts-check
/**
 * A streaming sample-rate converter: polyphase, Kaiser-windowed sinc.
 *
 * Chunked input gives exactly the samples that the whole input would. Output sample n stands at the
 * time of input sample n * inputHz / outputHz; nothing is delayed but the last few input samples,
 * which wait for their neighbours until `flush`.
 */

const ZERO_CROSSINGS = 16; // of the sinc, on each side: about 80 dB of stop band
const KAISER_BETA = 8;
const ROLLOFF = 0.92; // pass band as a share of the lower Nyquist frequency

/**
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * Modified Bessel function of the first kind, order zero, by its power series.
 * @param {number} x
 */
function bessel0(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > 1e-12 * sum; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/**
 * One row of weights for each of `phases` fractional positions, each row summing to one.
 * @param {number} phases
 * @param {number} half taps on each side
 * @param {number} cutoff pass band in cycles per two input samples (1 = input Nyquist)
 * @returns {Float32Array[]}
 */
function filterBank(phases, half, cutoff) {
  const edge = bessel0(KAISER_BETA);
  return Array.from({ length: phases }, (_, phase) => {
    const row = new Float32Array(2 * half);
    let sum = 0;
    for (let tap = 0; tap < row.length; tap += 1) {
      const x = tap - (half - 1) - phase / phases;
      const inside = 1 - (x / half) ** 2;
      const window = inside > 0 ? bessel0(KAISER_BETA * Math.sqrt(inside)) / edge : 0;
      const angle = Math.PI * x * cutoff;
      row[tap] = window * (angle === 0 ? 1 : Math.sin(angle) / angle);
      sum += row[tap];
    }
    return row.map((weight) => weight / sum);
  });
}

export class Resampler {
  /**
   * @param {number} inputHz
   * @param {number} outputHz
   */
  constructor(inputHz, outputHz) {
    const divisor = greatestCommonDivisor(Math.round(inputHz), Math.round(outputHz));
    this.up = Math.round(outputHz) / divisor;
    this.down = Math.round(inputHz) / divisor;
    const cutoff = ROLLOFF * Math.min(1, outputHz / inputHz);
    this.half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.bank = this.up === this.down ? [] : filterBank(this.up, this.half, cutoff);
    this.output = new Float32Array(256);
    this.pending = new Float32Array(4 * this.half + 256); // begins with silence
    this.pendingSamples = this.half - 1;
    this.phase = 0; // of the next output sample, in 1/up of an input sample
    this.taken = 0; // input samples since the last reset
    this.given = 0; // output samples since the last reset
  }

  /** Forget all input; the next sample is the first of a new stream. */
  reset() {
    this.pending.fill(0);
    this.pendingSamples = this.half - 1;
    this.phase = 0;
    this.taken = 0;
    this.given = 0;
  }

  /**
   * @param {Float32Array} input
   * @returns {Float32Array} valid until the next call
   */
  push(input) {
    if (this.up === this.down) return input;
    this.#append(input);
    this.taken += input.length;
    return this.#convert(Infinity);
  }

  /**
   * The samples still waiting for neighbours, as if silence followed; then starts afresh.
   * @returns {Float32Array} valid until the next call
   */
  flush() {
    if (this.up === this.down) return new Float32Array(0);
    const due = Math.ceil((this.taken * this.up) / this.down) - this.given;
    this.#append(new Float32Array(this.half + 1));
    const tail = this.#convert(due);
    this.reset();
    return tail;
  }

  /** @param {Float32Array} input */
  #append(input) {
    const needed = this.pendingSamples + input.length;
    if (needed > this.pending.length) {
      const larger = new Float32Array(2 * needed);
      larger.set(this.pending.subarray(0, this.pendingSamples));
      this.pending = larger;
    }
    this.pending.set(input, this.pendingSamples);
    this.pendingSamples = needed;
  }

  /**
   * @param {number} most output samples at most
   * @returns {Float32Array}
   */
  #convert(most) {
    const taps = 2 * this.half;
    const room = Math.ceil((this.pendingSamples * this.up) / this.down) + 1;
    if (this.output.length < room) this.output = new Float32Array(2 * room);
    let made = 0;
    let start = 0;
    while (start + taps <= this.pendingSamples && made < most) {
      const row = this.bank[this.phase];
      let sum = 0;
      for (let tap = 0; tap < taps; tap += 1) sum += row[tap] * this.pending[start + tap];
      this.output[made] = sum;
      made += 1;
      this.phase += this.down;
      start += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    this.pending.copyWithin(0, start, this.pendingSamples);
    this.pendingSamples -= start;
    this.given += made;
    return this.output.subarray(0, made);
  }
}
