// @ts-check
/**
 * Shows the conversation: one list entry a message, what was heard apart from what was not.
 * Finished messages are also said to screen readers, once each.
 */

import { drawTimeline } from "./timeline.js";

/**
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./conversation.js").Message} Message
 * @typedef {object} Entry
 * @property {HTMLLIElement} root
 * @property {HTMLElement} heard
 * @property {HTMLElement} rest
 * @property {HTMLElement} note
 * @property {HTMLElement} timeline
 * @property {string} drawn what the timeline shows now
 */

const SPEAKERS = { user: "You", assistant: "Assistant" };
const NEAR_THE_END_PX = 96;

/**
 * @param {string} name
 * @param {string} className
 * @param {string} [text]
 */
function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

export class Transcript {
  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} announcer a polite live region
   */
  constructor(list, announcer) {
    this.list = list;
    this.announcer = announcer;
    /** @type {Map<string, Entry>} */
    this.entries = new Map();
    /** @type {Set<string>} */
    this.announced = new Set();
    this.following = true; // until the person scrolls back to read
    list.addEventListener("scroll", () => (this.following = this.#atEnd()));
    new ResizeObserver(() => this.#follow()).observe(list);
  }

  /**
   * Bring the page in line with the conversation.
   * @param {Conversation} conversation
   * @param {Message | null} changed null: look at everything
   */
  show(conversation, changed) {
    if (changed) this.#update(changed);
    else {
      for (const [id, { root }] of this.entries) {
        if (conversation.messages.has(id)) continue;
        root.remove();
        this.entries.delete(id);
      }
      for (const message of conversation.messages.values()) this.#update(message);
    }
    this.#follow();
  }

  #follow() {
    if (this.following) this.list.scrollTop = this.list.scrollHeight;
  }

  #atEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    return scrollHeight - scrollTop - clientHeight < NEAR_THE_END_PX;
  }

  /** @param {Message} message */
  #update(message) {
    const entry = this.entries.get(message.id) ?? this.#add(message);
    const { heardText, unheardText, state } = message;
    const cut = state === "interrupted" && unheardText !== "";
    entry.root.dataset.state = cut ? "interrupted" : state;
    entry.root.toggleAttribute("data-empty", message.text === "");
    entry.root.toggleAttribute("data-guessed", message.guessed);
    setText(entry.heard, heardText.trimStart());
    setText(entry.rest, heardText ? unheardText : unheardText.trimStart());
    entry.rest.className = cut ? "unheard" : "ahead";
    setText(entry.note, cut ? "Interrupted. What is crossed out was not heard." : "");
    this.#drawTimeline(entry, message);
    if (state !== "live") this.#announce(message, cut);
  }

  /**
   * @param {Message} message
   * @returns {Entry}
   */
  #add({ id, role }) {
    const root = document.createElement("li");
    root.className = `message ${role}`;
    root.dataset.item = id;
    const text = element("p", "text");
    const heard = element("span", "heard");
    const rest = element("span", "ahead");
    text.append(heard, rest);
    const note = element("p", "note");
    const timeline = element("div", "turn-timing");
    root.append(element("p", "speaker", SPEAKERS[role]), text, note, timeline);
    this.list.append(root);
    const entry = { root, heard, rest, note, timeline, drawn: "" };
    this.entries.set(id, entry);
    return entry;
  }

  /**
   * @param {Entry} entry
   * @param {Message} message
   */
  #drawTimeline(entry, message) {
    const state = JSON.stringify([message.timing, message.localDelayMs]);
    if (state === entry.drawn) return;
    entry.drawn = state;
    const figure = drawTimeline(message);
    entry.timeline.replaceChildren(...(figure ? [figure] : []));
  }

  /**
   * @param {Message} message
   * @param {boolean} cut
   */
  #announce({ id, role, heardText }, cut) {
    if (this.announced.has(id) || !heardText) return;
    this.announced.add(id);
    const line = `${SPEAKERS[role]}: ${heardText}${cut ? " (interrupted)" : ""}`;
    this.announcer.append(element("p", "", line));
    while (this.announcer.childElementCount > 4) this.announcer.firstElementChild?.remove();
  }
}

/**
 * @param {HTMLElement} target
 * @param {string} text
 */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
