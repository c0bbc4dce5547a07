// @ts-check
/**
 * The living ring around the talk button: follows the louder side's voice, circles while thinking.
 * With reduced motion asked for, it only grows and shrinks with the voice.
 */

import { meterLevel } from "./pcm.js";

/**
 * @typedef {import("./phase.js").Phase} Phase
 * @typedef {{user: number, assistant: number}} Levels
 */

const TURN = 2 * Math.PI;
const STEPS = 120; // points of a curve
const PICTURE_MS = 30; // a calm movement needs no more than 30 pictures a second
const ATTACK = 0.5; // share of the way to a louder level in one picture
const RELEASE = 0.15;
const CURVES = [
  { waves: 3, speed: 0.9, share: 1.0, alpha: 0.5 },
  { waves: 4, speed: -0.6, share: 0.75, alpha: 0.35 },
  { waves: 5, speed: 0.4, share: 0.55, alpha: 0.25 },
];

export class Orb {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => {phase: Phase, levels: Levels}} look
   */
  constructor(canvas, look) {
    this.canvas = canvas;
    this.look = look;
    this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.level = 0;
    this.frame = 0; // the next one asked for; 0: none
    this.drawn_ms = 0;
    new ResizeObserver(() => this.#fit()).observe(canvas);
  }

  /** Draw until there is nothing that moves. */
  wake() {
    if (!this.frame) this.frame = requestAnimationFrame((now) => this.#next(now));
  }

  /** @param {number} now_ms */
  #next(now_ms) {
    this.frame = 0;
    if (now_ms - this.drawn_ms < PICTURE_MS) return this.wake();
    this.drawn_ms = now_ms;
    this.#draw(now_ms / 1000);
  }

  #fit() {
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(clientHeight * devicePixelRatio);
    this.wake();
  }

  /** @param {number} time_s */
  #draw(time_s) {
    const { phase, levels } = this.look();
    const speaking = phase === "speaking";
    const target = meterLevel(speaking ? levels.assistant : levels.user);
    this.level += (target - this.level) * (target > this.level ? ATTACK : RELEASE);
    const { width, height } = this.canvas;
    const size = Math.min(width, height);
    const style = getComputedStyle(this.canvas);
    this.pen.setTransform(1, 0, 0, 1, width / 2, height / 2);
    this.pen.clearRect(-width / 2, -height / 2, width, height);
    this.pen.strokeStyle = this.pen.fillStyle = style.color;
    const still = phase === "idle" || phase === "error" || phase === "ready";
    const time = this.calm.matches ? 0 : time_s;
    for (const curve of CURVES) this.#curve(size, time, curve, still ? 0.12 : 0.2 + this.level);
    const waiting = phase === "thinking" || phase === "connecting" || phase === "reconnecting";
    if (waiting) this.#arc(size, time);
    if (!still || this.level > 0.01) this.wake();
  }

  /**
   * @param {number} size
   * @param {number} time
   * @param {typeof CURVES[0]} curve
   * @param {number} strength
   */
  #curve(size, time, { waves, speed, share, alpha }, strength) {
    const inner = 0.335 * size;
    const reach = 0.13 * size * Math.min(1, strength) * share;
    this.pen.beginPath();
    for (let i = 0; i <= STEPS; i += 1) {
      const angle = (i / STEPS) * TURN;
      const wave = Math.sin(waves * angle + speed * 3 * time) * Math.sin(2 * angle - speed * time);
      const radius = inner + reach * (0.7 + 0.3 * wave);
      this.pen.lineTo(radius * Math.cos(angle), radius * Math.sin(angle));
    }
    this.pen.closePath();
    this.pen.globalAlpha = 0.28 * alpha;
    this.pen.fill();
    this.pen.globalAlpha = alpha;
    this.pen.lineWidth = Math.max(1, size / 220);
    this.pen.stroke();
    this.pen.globalAlpha = 1;
  }

  /**
   * @param {number} size
   * @param {number} time
   */
  #arc(size, time) {
    const start = time * 2.4;
    this.pen.beginPath();
    this.pen.arc(0, 0, 0.4 * size, start, start + TURN / 4);
    this.pen.lineWidth = size / 70;
    this.pen.lineCap = "round";
    this.pen.stroke();
  }
}
