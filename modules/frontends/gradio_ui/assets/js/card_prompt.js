const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Matches what calls a card's model in a prompt, with any weight. */
function call(card) {
  return card.identity.startsWith("<")
    ? new RegExp(`${escaped(card.identity)}[^>]*>`)
    : new RegExp(`(?<![\\w.-])${escaped(card.identity)}(?![\\w-])`);
}

/** Whether a prompt calls the model of a card. */
export function isIn(text, card) {
  return call(card).test(text);
}

/** Return `text` with `addition` behind it. */
export function withText(text, addition, separator) {
  return text.trim() ? text.trimEnd() + separator + addition : addition;
}

/** Return `text` without the part from `start` to `end`, and without one of the separators around it. */
function cut(text, start, end) {
  const before = text.slice(0, start).replace(/[ \t]+$/, "");
  const after = text.slice(end).replace(/^[ \t]+/, "");
  if (!before.trim() || !after.trim()) {
    return (before + after).replace(/^\s*,\s*|\s*,\s*$/g, "");
  }
  if (/\n$/.test(before) || /^\n/.test(after)) {
    // Lines mean something: comments end with them, and BREAK stands on one.
    return before.replace(/\n$/, "") + (/^\n/.test(after) ? "" : "\n") + after.replace(/^,[ \t]*/, "");
  }
  return after.startsWith(",") ? before.replace(/,$/, "") + after : `${before} ${after}`;
}

/** Where `part` stands in `text` as words of their own, from `from` on; -1 if nowhere. */
function wordsAt(text, part, from = 0) {
  const isWord = (sign) => sign !== undefined && /[\p{L}\p{N}_]/u.test(sign);
  for (let start = text.indexOf(part, from); part && start >= 0; start = text.indexOf(part, start + 1)) {
    const [before, after] = [text[start - 1], text[start + part.length]];
    if (!(isWord(before) && isWord(part[0])) && !(isWord(after) && isWord(part.at(-1)))) {
      return start;
    }
  }
  return -1;
}

/** Return `text` without the first occurrence of `part`. */
export function withoutText(text, part) {
  const start = wordsAt(text, part);
  return start < 0 ? text : cut(text, start, start + part.length);
}

/** Return `text` with what a card writes, or, if it calls the card's model already, without that. */
export function toggled(text, card, separator) {
  const found = call(card).exec(text);
  if (!found) {
    return withText(text, card.prompt, separator);
  }
  const written = call(card).exec(card.prompt);
  const words = written ? card.prompt.slice(written.index + written[0].length).replace(/^[\s,]+/, "") : "";
  let [start, end] = [found.index, found.index + found[0].length];
  // An embedding may have brackets of its own: (name:1.2).
  const [open, close] = [/\(\s*$/.exec(text.slice(0, start)), /^\s*(:[\d.]+)?\s*\)/.exec(text.slice(end))];
  if (open && close) {
    [start, end] = [start - open[0].length, end + close[0].length];
  }
  const following = text.slice(end).match(/^[ \t,]*/)[0].length + end;
  if (words && wordsAt(text, words, following) === following) {
    end = following + words.length;
  }
  return cut(text, start, end);
}
