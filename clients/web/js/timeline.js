// @ts-check
/**
 * The latency of one turn as a small picture: a line from the user's last word to the first sound,
 * with a mark for each thing that happened on the way, and the same figures as a legend.
 */

/**
 * @typedef {import("./conversation.js").Message} Message
 * @typedef {{name: string, ms: number}} Mark
 */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320;
const HEIGHT = 20;
const EDGE = 6; // room for the outermost marks
const RADIUS = 4;

/**
 * @param {Message} message
 * @returns {Mark[]} in order of time
 */
export function marksOf({ timing, localDelayMs }) {
  if (!timing) return [];
  const { end_of_turn_ms, recognised_ms, first_text_ms, first_audio_ms } = timing;
  const heard =
    first_audio_ms === null || localDelayMs === null ? null : first_audio_ms + localDelayMs;
  const typed = recognised_ms === null; // then the turn was over at once
  /** @type {[string, number | null][]} */
  const named = [
    ["turn over", typed ? null : end_of_turn_ms],
    ["understood", recognised_ms],
    ["first word", first_text_ms],
    ["first sound sent", first_audio_ms],
    ["heard", heard],
  ];
  return named
    .flatMap(([name, ms]) => (ms === null || ms === undefined ? [] : [{ name, ms }]))
    .sort((a, b) => a.ms - b.ms);
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

/**
 * The class that gives a mark its shade: deeper towards the sound.
 * @param {number} i
 * @param {Mark[]} marks
 */
function shade(i, marks) {
  return i === marks.length - 1 ? "last" : `step-${i}`;
}

/**
 * @param {Mark[]} marks at least one
 * @returns {SVGElement}
 */
function picture(marks) {
  const longest = Math.max(1, ...marks.map(({ ms }) => ms));
  const x = (/** @type {number} */ ms) => EDGE + (Math.max(0, ms) / longest) * (WIDTH - 2 * EDGE);
  const y = HEIGHT / 2;
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  svg.append(shape("line", { class: "axis", x1: EDGE, x2: WIDTH - EDGE, y1: y, y2: y }));
  svg.append(shape("line", { class: "axis", x1: EDGE, x2: EDGE, y1: y - RADIUS, y2: y + RADIUS }));
  marks.forEach(({ ms }, i) => {
    const from = x(i === 0 ? 0 : marks[i - 1].ms);
    svg.append(
      shape("line", { class: `way ${shade(i, marks)}`, x1: from, x2: x(ms), y1: y, y2: y }),
    );
  });
  marks.forEach(({ ms }, i) => {
    const r = i === marks.length - 1 ? RADIUS + 1 : RADIUS;
    svg.append(shape("circle", { class: `dot ${shade(i, marks)}`, cx: x(ms), cy: y, r }));
  });
  return svg;
}

/**
 * @param {Message} message
 * @returns {HTMLElement | null} null: nothing has been measured
 */
export function drawTimeline(message) {
  const marks = marksOf(message);
  if (marks.length === 0) return null;
  const figure = document.createElement("figure");
  figure.className = "timeline";
  const caption = document.createElement("figcaption");
  const total = Math.round(marks[marks.length - 1].ms);
  const lead = document.createElement("strong");
  lead.textContent = `${total} ms`;
  const spoken = message.timing?.recognised_ms !== null;
  caption.append("Answered ", lead, spoken ? " after your last word" : " after you asked");
  const legend = document.createElement("ul");
  marks.forEach(({ name, ms }, i) => {
    const entry = document.createElement("li");
    entry.className = shade(i, marks);
    entry.textContent = `${name} ${Math.round(ms)}`;
    legend.append(entry);
  });
  figure.append(caption, picture(marks), legend);
  return figure;
}
