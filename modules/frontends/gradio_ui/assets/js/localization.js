/**
 * The page in another language. Texts are written in English everywhere; those that a language pack knows are replaced
 * where they stand, as soon as they appear. What a field holds is never touched, nor what people and files are called.
 */
const ROUTE = "internal/localization";
const ATTRIBUTES = ["placeholder", "title", "aria-label"];
const LONGEST_TEXT = 500;
const SEPARATOR = " · ";
const PLACES = /\{n?\}/g;
const MOST_PLACES = 4;
const NUMBER = "(\\d[\\d.,]*)";
const ANYTHING = "(.+?)";

/** What stands here was written by people, or names files and what can be chosen; it only looks like ours. */
const THEIRS = [
  "script, style, code, pre, textarea, [contenteditable=true], [role=listbox], .token",
  ".model-card-label, .model-card-family, .cards-folder option:not([value='']), .cards-misplaced li",
  "#card_dialog_title, .card-facts dd, .card-words p, .card-tags p",
  ".infotext, .infotext-text, .run-infotext, .run-words, .queue-title, .compare-name, .suggestion-row button",
  ".pnginfo-fields tbody, .pnginfo-items summary",
  ".pnginfo-mapped tbody th, .pnginfo-mapped tbody td:not(:last-child)",
].join(", ");
/** These say in their attributes what their prompts or files are called. */
const NAMED = ".model-card, .queue-entry, .queue-entry .progress, .run";
/** What is said there in place of a prompt. */
const NAMELESS = new Set(["No prompt", "Loading the checkpoint", "Unloading the checkpoints", "Looking for embeddings"]);

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Return what matches the texts that a key with places means; null for one that would match anything, or slowly. */
function pattern(key, said) {
  const places = key.match(PLACES);
  const words = key.split(PLACES);
  const runTogether = words.slice(1, -1).some((between) => !between);
  if (places.length > MOST_PLACES || runTogether || !/\p{L}/u.test(words.join(""))) {
    return null;
  }
  const source = words.map((part, index) => (index ? (places[index - 1] === "{}" ? ANYTHING : NUMBER) : "") + escaped(part));
  return { expression: new RegExp(`^${source.join("")}$`), said, weight: words.join("").length };
}

class Pack {
  constructor(entries) {
    this.texts = new Map();
    this.patterns = [];
    for (const [key, said] of Object.entries(entries)) {
      if (typeof said !== "string") {
        continue;
      }
      this.texts.set(key.trim(), said);
      if (key.match(PLACES)) {
        this.patterns.push(pattern(key.trim(), said));
      }
    }
    this.patterns = this.patterns.filter(Boolean).sort((one, other) => other.weight - one.weight);
  }

  /** Return a text in the pack's language; as it is if the pack does not know it. */
  translate(text) {
    const words = text.trim();
    return words && words.length <= LONGEST_TEXT ? text.replace(words, () => this.#say(words)) : text;
  }

  #say(words) {
    const known = this.texts.get(words);
    if (known !== undefined) {
      return known;
    }
    if (words.includes(SEPARATOR)) {
      return words.split(SEPARATOR).map((part) => this.#say(part)).join(SEPARATOR);
    }
    for (const { expression, said } of this.patterns) {
      const parts = expression.exec(words)?.slice(1);
      if (parts) {
        return said.replace(PLACES, () => this.#known(parts.shift() ?? ""));
      }
    }
    return words;
  }

  #known(part) {
    return this.texts.get(part) ?? part;
  }
}

/** Keeps the texts of the page in the language of a pack. */
class Translator {
  constructor(pack) {
    this.pack = pack;
    /** What was put into a text, so that it is not taken for English when it comes by again. */
    this.done = new WeakMap();
  }

  /** Translate all there is now, and what comes. */
  begin() {
    this.#tree(document.body);
    const observer = new MutationObserver((changes) => {
      for (const { type, target, attributeName, addedNodes } of changes) {
        if (type === "characterData") {
          this.#text(target);
        } else if (type === "attributes") {
          this.#attribute(target, attributeName);
        } else {
          addedNodes.forEach((node) => this.#tree(node));
        }
      }
      observer.takeRecords(); // our own changes
    });
    const what = { childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES, subtree: true };
    observer.observe(document.body, what);
  }

  #tree(root) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let node = root; node; node = walker.nextNode()) {
      if (node.nodeType === Node.TEXT_NODE) {
        this.#text(node);
      } else if (node.nodeType === Node.ELEMENT_NODE) {
        ATTRIBUTES.forEach((name) => node.hasAttribute(name) && this.#attribute(node, name));
        if (node.localName === "template") {
          this.#tree(node.content);
        }
      }
    }
  }

  #text(node) {
    const [text, parent] = [node.data, node.parentElement];
    if (text === this.done.get(node) || !text.trim() || !parent) {
      return;
    }
    if (parent.closest(THEIRS) && !NAMELESS.has(text.trim())) {
      return;
    }
    const said = this.pack.translate(text);
    if (said === text) {
      return;
    }
    if (parent.localName === "option" && !parent.hasAttribute("value")) {
      parent.value = parent.text; // which would be the translation otherwise
    }
    this.done.set(node, said);
    node.data = said;
  }

  #attribute(element, name) {
    const text = element.getAttribute(name);
    // What people write is within a text box; what the box itself is called is ours.
    if (!text || element.matches(NAMED) || (!element.matches("textarea") && element.closest(THEIRS))) {
      return;
    }
    const said = this.pack.translate(text);
    if (said !== text) {
      element.setAttribute(name, said);
    }
  }
}

let pack = null;

/** Return a text of ours as the page shows it. */
export function translated(text) {
  return pack?.translate(text) ?? text;
}

/** Ask which language is chosen, and show the page in it. */
export async function localize() {
  const answer = await fetch(ROUTE).catch(() => null);
  if (!answer?.ok) { // in English the page is of use, too
    return;
  }
  const entries = await answer.json();
  const root = document.documentElement;
  root.lang = answer.headers.get("Content-Language") ?? "";
  root.dir = entries.rtl === true ? "rtl" : "ltr";
  if (Object.keys(entries).length) {
    pack = new Pack(entries);
    root.style.setProperty("--nothing-found", JSON.stringify(translated("Nothing found.")));
    new Translator(pack).begin();
  }
}
