import { openDetails } from "./card_dialog.js";
import { isIn, toggled, withText, withoutText } from "./card_prompt.js";
import { chooseCheckpoint, chosenCheckpoint } from "./checkpoint.js";
import { whenPresent } from "./dom.js";
import { ask, toast } from "./server.js";

const PAGE = 60;
const SEARCH_MS = 150;
const READING_MS = 500;
const GAP = 8;
const LEAST_WIDTH = 116;
const RATIO = 1.4;
/** Screens of cards that are drawn above and below what is seen. */
const MARGIN = 0.5;
const KINDS = ["embedding", "hypernetwork", "checkpoint", "lora"];

const lastPrompt = {};

/** The text box of a tab: that of the prompt, or of the negative prompt. */
const box = (tab, negative = false) => document.querySelector(`#${tab}_${negative ? "neg_prompt" : "prompt"} textarea`);

function write(textarea, text) {
  if (textarea.value !== text) {
    textarea.value = text;
    textarea.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

/** Where an address of a card's small picture is. */
export function previewAddress(kind, card) {
  return `sd_extra_networks/thumb?${new URLSearchParams({ kind, name: card.name, v: card.preview })}`;
}

/** The cards of one kind on one tab. Only those that are seen are drawn, and only those near them are fetched. */
class CardPane {
  constructor(root) {
    this.root = root;
    this.kind = root.dataset.cards;
    this.tab = root.dataset.tab;
    this.find = (name) => root.querySelector(`.cards-${name}`);
    this.scroll = this.find("scroll");
    this.list = this.find("list");
    this.drawn = new Map();
    this.pages = new Map();
    this.total = 0;
    this.separator = " ";
    this.asking = new AbortController();
    this.#listen();
    this.reload();
  }

  #listen() {
    let timer = null;
    this.find("search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.reload(), SEARCH_MS);
    });
    for (const name of ["sort", "folder"]) {
      this.find(name).addEventListener("change", () => this.reload());
    }
    this.find("order").addEventListener("click", ({ currentTarget }) => {
      currentTarget.setAttribute("aria-pressed", String(currentTarget.ariaPressed !== "true"));
      this.reload();
    });
    this.find("refresh").addEventListener("click", () => this.#refresh());
    let waiting = false;
    this.scroll.addEventListener("scroll", () => {
      if (!waiting) {
        waiting = true;
        requestAnimationFrame(() => ((waiting = false), this.draw()));
      }
    });
    new ResizeObserver(() => this.draw()).observe(this.scroll);
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.list.addEventListener("keydown", (event) => this.#moved(event));
  }

  async #refresh() {
    this.root.ariaBusy = "true";
    try {
      await ask(`sd_extra_networks/refresh?kind=${this.kind}`, { body: {} });
    } catch (error) {
      toast(error.message);
    }
    await this.reload();
    this.root.ariaBusy = "false";
  }

  /** Ask anew for everything, from the first card on. */
  async reload() {
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.pages.clear();
    const first = await this.#page(0, signal);
    if (!first || signal.aborted) {
      return;
    }
    if (first.reading) {
      this.find("count").textContent = `Reading ${first.reading[0]} of ${first.reading[1]} files …`;
      setTimeout(() => signal.aborted || this.reload(), READING_MS);
      return;
    }
    this.separator = first.separator;
    this.total = first.total;
    this.find("count").textContent = `${first.total}`;
    this.root.classList.toggle("empty", first.total === 0);
    this.#showFolders(first.folders);
    this.#showMisplaced(first.misplaced);
    this.scroll.scrollTop = 0;
    this.#forgetDrawn();
    this.draw();
  }

  async #page(number, signal) {
    const query = {
      kind: this.kind,
      search: this.find("search").value.trim(),
      sort: this.find("sort").value,
      descending: this.find("order").getAttribute("aria-pressed"),
      folder: this.find("folder").value,
      start: number * PAGE,
      count: PAGE,
    };
    this.pages.set(number, null);
    try {
      const answer = await ask("sd_extra_networks/cards", { query, signal });
      if (!signal.aborted) {
        this.pages.set(number, answer.cards);
      }
      return answer;
    } catch (error) {
      if (!signal.aborted) {
        this.pages.delete(number);
        this.find("count").textContent = error.message;
      }
      return null;
    }
  }

  #card(index) {
    const number = Math.floor(index / PAGE);
    if (!this.pages.has(number)) {
      const { signal } = this.asking;
      this.#page(number, signal).then((answer) => answer && !signal.aborted && this.draw());
    }
    return this.pages.get(number)?.[index % PAGE];
  }

  #showFolders(folders) {
    const choice = this.find("folder");
    const before = choice.value;
    choice.replaceChildren(choice.options[0], ...folders.map((folder) => new Option(folder, folder)));
    choice.value = folders.includes(before) ? before : "";
    choice.hidden = folders.length === 0;
  }

  #showMisplaced(sentences) {
    const notice = this.find("misplaced");
    notice.hidden = sentences.length === 0;
    notice.querySelector("summary").textContent =
      sentences.length === 1 ? "1 file lies in the wrong folder" : `${sentences.length} files lie in the wrong folder`;
    notice.querySelector("ul").replaceChildren(
      ...sentences.map((sentence) => {
        const entry = document.createElement("li");
        entry.textContent = sentence;
        return entry;
      }),
    );
  }

  #forgetDrawn() {
    this.list.replaceChildren();
    this.drawn.clear();
  }

  #layout() {
    const width = this.scroll.clientWidth;
    const columns = Math.max(2, Math.floor((width + GAP) / (LEAST_WIDTH + GAP)));
    const side = Math.floor((width - GAP * (columns - 1)) / columns);
    return { columns, width: side, height: Math.round(side * RATIO) };
  }

  /** Draw what is seen, and take away what is not. */
  draw() {
    if (!this.scroll.clientWidth) {
      return;
    }
    const { columns, width, height } = this.#layout();
    const row = height + GAP;
    this.list.style.height = `${Math.max(0, Math.ceil(this.total / columns) * row - GAP)}px`;
    const { scrollTop, clientHeight } = this.scroll;
    const first = Math.max(0, Math.floor((scrollTop - MARGIN * clientHeight) / row)) * columns;
    const last = Math.min(this.total, Math.ceil((scrollTop + (1 + MARGIN) * clientHeight) / row) * columns);
    for (const [index, element] of this.drawn) {
      if (index < first || index >= last) {
        element.remove();
        this.drawn.delete(index);
      }
    }
    for (let index = first; index < last; index++) {
      const element = this.#element(index);
      element.style.width = `${width}px`;
      element.style.height = `${height}px`;
      element.style.transform = `translate(${(index % columns) * (width + GAP)}px, ${Math.floor(index / columns) * row}px)`;
    }
    this.mark();
  }

  #element(index) {
    let element = this.drawn.get(index);
    if (!element) {
      element = document.getElementById("card_template").content.firstElementChild.cloneNode(true);
      element.dataset.index = index;
      this.drawn.set(index, element);
      // In the order of the cards, which is that of the tab key.
      const next = [...this.drawn.keys()].filter((other) => other > index).sort((one, other) => one - other)[0];
      this.list.insertBefore(element, next === undefined ? null : this.drawn.get(next));
    }
    const card = this.#card(index);
    if (card && element.card !== card) {
      this.#fill(element, card, index);
    }
    return element;
  }

  #fill(element, card, index) {
    element.card = card;
    element.setAttribute("aria-setsize", this.total);
    element.setAttribute("aria-posinset", index + 1);
    element.title = card.description || card.label;
    element.querySelector(".model-card-label").textContent = card.label;
    element.querySelector(".model-card-main").dataset.initial = [...card.label][0]?.toUpperCase() ?? "";
    element.querySelector(".model-card-family").textContent = card.family;
    element.querySelector(".model-card-edit").title = element.querySelector(".model-card-edit").textContent;
    const picture = element.querySelector("img");
    picture.hidden = !card.preview;
    if (card.preview) {
      picture.src = previewAddress(this.kind, card);
    }
    const warning = element.querySelector(".model-card-warning");
    warning.hidden = !card.warning;
    warning.title = warning.ariaLabel = card.warning;
  }

  /** Show which of the drawn models are in use. */
  mark() {
    const used = this.kind === "checkpoint" ? chosenCheckpoint() : null;
    const texts = [box(this.tab), box(this.tab, true)].map((textarea) => textarea?.value ?? "");
    for (const element of this.drawn.values()) {
      const { card } = element;
      const inUse = card && (used === null ? texts.some((text) => isIn(text, card)) : card.identity === used);
      element.querySelector(".model-card-main").setAttribute("aria-pressed", String(Boolean(inUse)));
    }
  }

  #clicked({ target }) {
    const element = target.closest(".model-card");
    if (!element?.card) {
      return;
    }
    if (target.closest(".model-card-edit")) {
      openDetails(this.tab, this.kind, element.card, (card) => this.#changed(element.card, card));
    } else if (this.kind === "checkpoint") {
      chooseCheckpoint(element.card.identity);
    } else {
      this.#toggle(element.card);
      this.mark();
    }
  }

  #toggle(card) {
    const prompt = box(this.tab);
    const negative = box(this.tab, true);
    // Embeddings go where the person was writing; all others mean nothing in a negative prompt.
    const wanted = this.kind === "embedding" && lastPrompt[this.tab] === "negative" ? negative : prompt;
    const target = [wanted, prompt, negative].find((textarea) => isIn(textarea.value, card)) ?? wanted;
    const added = !isIn(target.value, card);
    write(target, toggled(target.value, card, this.separator));
    if (card.negative_prompt) {
      const change = added ? withText : withoutText;
      write(negative, change(negative.value, card.negative_prompt, this.separator));
    }
  }

  #changed(before, card) {
    for (const cards of this.pages.values()) {
      const place = cards?.indexOf(before) ?? -1;
      if (place >= 0) {
        cards[place] = card;
      }
    }
    this.draw();
  }

  /** The arrow keys go from card to card. */
  #moved(event) {
    const element = event.target.closest(".model-card");
    const { columns, height } = this.#layout();
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const index = Number(element?.dataset.index) + step;
    if (!(index >= 0 && index < this.total)) {
      return;
    }
    event.preventDefault();
    const top = Math.floor(index / columns) * (height + GAP);
    if (top < this.scroll.scrollTop) {
      this.scroll.scrollTop = top;
    } else if (top + height > this.scroll.scrollTop + this.scroll.clientHeight) {
      this.scroll.scrollTop = top + height - this.scroll.clientHeight;
    }
    this.draw();
    this.drawn.get(index)?.querySelector(".model-card-main").focus({ preventScroll: true });
  }
}

/** Show cards on the tabs of tab `name` as soon as each is opened for the first time. */
export function showCardsOf(name) {
  const panes = [];
  for (const kind of KINDS) {
    whenPresent(`[data-cards="${kind}"][data-tab="${name}"]`).then((root) => panes.push(new CardPane(root)));
  }
  document.addEventListener("focusin", ({ target }) => {
    for (const [which, id] of [["prompt", "prompt"], ["negative", "neg_prompt"]]) {
      if (target.closest?.(`#${name}_${id}`)) {
        lastPrompt[name] = which;
      }
    }
  });
  let timer = null;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => panes.forEach((pane) => pane.mark()), SEARCH_MS);
  };
  document.addEventListener("input", ({ target }) => target.closest?.(`#${name}_prompt, #${name}_neg_prompt`) && soon());
  // Gradio fills prompts and the choice of a checkpoint without any event; what it shows beside them changes then.
  for (const shown of [`#${name}_token_counter`, "#checkpoint_progress"]) {
    whenPresent(shown).then((found) => {
      new MutationObserver(soon).observe(found, { subtree: true, childList: true, attributes: true });
    });
  }
}
