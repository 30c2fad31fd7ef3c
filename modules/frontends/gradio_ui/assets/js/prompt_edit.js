/**
 * Editing a prompt by keys, as in A1111: Ctrl+↑ and Ctrl+↓ change the weight of what is selected, or of the word or
 * brackets in which the cursor stands, Alt+← and Alt+→ move a part between commas. And what its brackets lack is said.
 */
const STEP = 0.1;
const NETWORK_STEP = 0.05;
const NO_WORD = /[\s.,\\/!?%^*;:{}=`~()<>[\]]/;

const rounded = (number) => Number(number.toFixed(4));

/** Return where the tag `<lora:name:1>` begins and ends in which a selection begins, or null. */
function tagAt(text, start, end) {
  for (const found of text.matchAll(/<[^<>]*>/g)) {
    const begins = found.index < start || (found.index === start && end > start);
    if (begins && start < found.index + found[0].length) {
      return [found.index, found.index + found[0].length];
    }
  }
  return null;
}

/** Return where the innermost round brackets around a place begin and end, or null. */
function bracketsAround(text, start, end) {
  let depth = 0;
  let open = start - 1;
  for (; open >= 0; open--) {
    if (text[open - 1] === "\\") {
      continue;
    }
    if (text[open] === ")") {
      depth += 1;
    } else if (text[open] === "(" && depth-- === 0) {
      break;
    }
  }
  if (open < 0) {
    return null;
  }
  depth = 0;
  for (let close = end; close < text.length; close++) {
    if (text[close - 1] === "\\") {
      continue;
    }
    if (text[close] === "(") {
      depth += 1;
    } else if (text[close] === ")" && depth-- === 0) {
      return [open, close + 1];
    }
  }
  return null;
}

function wordAt(text, at) {
  let [start, end] = [at, at];
  while (start > 0 && !NO_WORD.test(text[start - 1])) {
    start -= 1;
  }
  while (end < text.length && !NO_WORD.test(text[end])) {
    end += 1;
  }
  return [start, end];
}

const replaced = (text, from, to, part) => text.slice(0, from) + part + text.slice(to);

function tagWeighted(text, [from, to], direction) {
  const found = /^(<[^:<>]+:[^:<>]+)(?::(-?[\d.]+))?(.*>)$/s.exec(text.slice(from, to));
  if (!found) {
    return null;
  }
  const weight = rounded(Number(found[2] ?? 1) + direction * NETWORK_STEP);
  const part = `${found[1]}:${weight}${found[3]}`;
  return { text: replaced(text, from, to, part), start: from, end: from + part.length };
}

/**
 * Return a text with the weight of a part changed, and what is selected then; null if nothing is there to weigh.
 *
 * @param {string} text the prompt.
 * @param {number} start where the selection begins.
 * @param {number} end where it ends.
 * @param {1|-1} direction whether it shall count more or less.
 */
export function weighted(text, start, end, direction) {
  const tag = tagAt(text, start, end);
  if (tag) {
    return tagWeighted(text, tag, direction);
  }
  const around = bracketsAround(text, start, end);
  const content = around && /^\((.*?)(?::(-?[\d.]+))?\)$/s.exec(text.slice(...around));
  const whole = around && (start === end || text.slice(start, end) === content[1]);
  if (whole) {
    const weight = rounded(Number(content[2] ?? 1.1) + direction * STEP);
    const part = weight === 1 ? content[1] : `(${content[1]}:${weight})`;
    const begin = around[0] + (weight === 1 ? 0 : 1);
    return { text: replaced(text, ...around, part), start: begin, end: begin + content[1].length };
  }
  let [from, to] = start === end ? wordAt(text, start) : [start, end];
  while (to > from && text[to - 1] === " ") {
    to -= 1;
  }
  if (from === to) {
    return null;
  }
  const part = text.slice(from, to);
  const weight = rounded(1 + direction * STEP);
  return { text: replaced(text, from, to, `(${part}:${weight})`), start: from + 1, end: from + 1 + part.length };
}

/** Return a text with the part between commas in which `at` lies moved, and where the cursor is then; or null. */
export function moved(text, at, direction) {
  const parts = text.split(",");
  let [index, begin] = [0, 0];
  while (begin + parts[index].length < at) {
    begin += parts[index].length + 1;
    index += 1;
  }
  const other = index + direction;
  if (other < 0 || other >= parts.length) {
    return null;
  }
  const offset = at - begin;
  const words = parts.map((part) => part.trim());
  const spaces = parts.map((part) => [/^\s*/.exec(part)[0], /\s*$/.exec(part)[0]]);
  [words[index], words[other]] = [words[other], words[index]];
  const all = words.map((word, place) => spaces[place][0] + word + spaces[place][1]);
  const before = all.slice(0, other).reduce((sum, part) => sum + part.length + 1, 0);
  const cursor = before + Math.min(all[other].length, Math.max(0, offset - spaces[index][0].length + spaces[other][0].length));
  return { text: all.join(","), start: cursor, end: cursor };
}

/** Return what the brackets of a prompt lack, as a sentence; "" if nothing. */
export function bracketFault(text) {
  const count = {};
  for (const [bracket] of text.matchAll(/(?<!\\)[()[\]{}]/g)) {
    count[bracket] = (count[bracket] ?? 0) + 1;
  }
  const faults = [];
  for (const [open, close, name] of [["(", ")", "Round"], ["[", "]", "Square"], ["{", "}", "Curly"]]) {
    const [opened, closed] = [count[open] ?? 0, count[close] ?? 0];
    if (opened !== closed) {
      faults.push(`${name} brackets: ${opened} opened, ${closed} closed.`);
    }
  }
  return faults.join(" ");
}

function onKey(event) {
  const box = event.target;
  if (!box.matches?.("#tabs .prompts textarea, [id^=hires_] textarea")) {
    return;
  }
  const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  const right = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  let changed = null;
  if (up && (event.ctrlKey || event.metaKey)) {
    changed = weighted(box.value, box.selectionStart, box.selectionEnd, up);
  } else if (right && event.altKey) {
    changed = moved(box.value, box.selectionStart, right);
  } else {
    return;
  }
  event.preventDefault();
  if (changed) {
    box.value = changed.text;
    box.setSelectionRange(changed.start, changed.end);
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

/** Let keys edit the prompts of all tabs, and let the token counters say what brackets lack. */
export function editPrompts() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("input", ({ target }) => {
    const counter = target.closest?.(".prompt-box")?.querySelector(".token-counter");
    if (counter) {
      const fault = bracketFault(target.value);
      counter.classList.toggle("faulty", Boolean(fault));
      counter.title = fault;
    }
  });
}
