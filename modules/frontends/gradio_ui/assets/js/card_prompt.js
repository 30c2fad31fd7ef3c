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
  const before = text.slice(0, start).trimEnd();
  const after = text.slice(end).trimStart();
  if (!before || !after) {
    return (before || after).replace(/^,\s*|\s*,$/g, "");
  }
  return after.startsWith(",") ? before.replace(/,$/, "") + after : `${before} ${after}`;
}

/** Return `text` without the first occurrence of `part`. */
export function withoutText(text, part) {
  const start = part ? text.indexOf(part) : -1;
  return start < 0 ? text : cut(text, start, start + part.length);
}

/** Return `text` with what a card writes, or, if it calls the card's model already, without that. */
export function toggled(text, card, separator) {
  const found = call(card).exec(text);
  if (!found) {
    return withText(text, card.prompt, separator);
  }
  const written = call(card).exec(card.prompt);
  const words = card.prompt.slice(written.index + written[0].length).trim();
  let end = found.index + found[0].length;
  const following = text.slice(end).match(/^[\s,]*/)[0].length + end;
  if (words && text.startsWith(words, following)) {
    end = following + words.length;
  }
  return cut(text, found.index, end);
}
