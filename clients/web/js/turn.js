// @ts-check
/**
 * What is known of the turn under way. Thrown away when the connection goes.
 */

export class Turn {
  constructor() {
    this.userSpeaking = false;
    this.awaiting = false; // an answer is due
    /** The response the server is writing. @type {string | null} */
    this.responseId = null;
    /** Responses that must not be heard any more. @type {Set<string>} */
    this.silenced = new Set();
    /** The item each response speaks. @type {Map<string, string>} */
    this.items = new Map();
    /** When the first audio of an item arrived. @type {Map<string, number>} */
    this.firstAudioAt = new Map();
  }
}
