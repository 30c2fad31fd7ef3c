import { whenPresent } from "./dom.js";
import { translated } from "./localization.js";
import { ask, toast } from "./server.js";

const ROUTE = "internal/settings";
const SEARCH_MS = 100;
/** Numbers with a wider range than this have no slider: its knob could not be set well. */
const WIDEST_SLIDER = 1100;
const TYPES = { flag: "checkbox", whole: "number", number: "number", colour: "color", text: "text" };

/** Return a new element with these properties and children. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  element.append(...children);
  return element;
}

/** One setting: its control, and what is said of it. */
class Row {
  constructor(setting, onChange) {
    this.setting = setting;
    this.onChange = onChange;
    const { name, label, kind, note, fixed } = setting;
    this.text = `${label} ${translated(label)} ${name}`.toLowerCase();
    this.control = this.#control();
    this.control.id = `setting_${name}_control`;
    this.error = make("p", { className: "setting-error", hidden: true, id: `setting_${name}_error` });
    this.resetButton = make("button", { type: "button", className: "setting-reset", textContent: "Reset" });
    this.resetButton.title = `Default: ${this.#shown(setting.default)}`;
    this.resetButton.setAttribute("aria-label", `Reset ${label}`);
    this.resetButton.addEventListener("click", () => (this.write(setting.default), this.control.focus()));
    const words = make("label", { htmlFor: this.control.id, className: "setting-label", textContent: label });
    const key = make("code", { className: "setting-key", textContent: name });
    const about = [note, fixed].filter(Boolean).join(" ");
    this.root = make(
      "div",
      { className: `setting setting-${kind}` },
      make("div", { className: "setting-head" }, words, key, this.resetButton),
      make("div", { className: "setting-control" }, ...(this.slider ? [this.slider] : []), this.control),
      make("p", { className: "setting-note", textContent: about, hidden: !about, id: `setting_${name}_note` }),
      this.error,
    );
    if (!fixed) {
      this.root.id = `setting_${name}`; // otherwise what it is chosen with has A1111's id
    }
    this.control.setAttribute("aria-describedby", `${this.error.id} setting_${name}_note`);
    this.control.disabled = Boolean(fixed);
    this.write(setting.value);
  }

  #control() {
    const { kind, choices, minimum, maximum } = this.setting;
    const changed = () => this.#changed();
    if (kind === "choice") {
      const choice = make("select", {}, ...choices.map((name) => new Option(name, name)));
      choice.addEventListener("change", changed);
      return choice;
    }
    const input = make("input", { type: TYPES[kind] });
    if (kind === "text") {
      input.spellcheck = false;
    }
    if (TYPES[kind] === "number") {
      input.step = kind === "whole" ? 1 : "any";
      input.min = minimum ?? "";
      input.max = maximum ?? "";
      if (minimum !== null && maximum !== null && maximum - minimum <= WIDEST_SLIDER) {
        const step = kind === "whole" ? 1 : maximum - minimum <= 20 ? 0.01 : 0.1;
        this.slider = make("input", { type: "range", min: minimum, max: maximum, step });
        this.slider.tabIndex = -1;
        this.slider.ariaHidden = "true"; // the number beside it says the same
        this.slider.addEventListener("input", () => ((input.value = this.slider.value), changed()));
      }
    }
    input.addEventListener("input", changed);
    return input;
  }

  #shown(value) {
    return this.setting.kind === "flag" ? (value ? "on" : "off") : value === "" ? "empty" : String(value ?? "none");
  }

  #changed() {
    if (this.slider) {
      this.slider.value = this.control.value;
    }
    this.complain("");
    this.#mark();
    this.onChange();
  }

  #mark() {
    const value = this.read();
    const usual = value === this.setting.default;
    this.root.classList.toggle("changed", !usual);
    this.root.classList.toggle("unsaved", this.unsaved());
    this.resetButton.hidden = usual || Boolean(this.setting.fixed);
  }

  /** Return the value as it is entered; an empty text for a number that is none. */
  read() {
    const { kind } = this.setting;
    if (kind === "flag") {
      return this.control.checked;
    }
    return TYPES[kind] === "number" && this.control.value !== "" ? Number(this.control.value) : this.control.value;
  }

  write(value) {
    if (this.setting.kind === "flag") {
      this.control.checked = value;
    } else {
      this.control.value = value ?? "";
    }
    this.#changed();
  }

  unsaved() {
    return !this.setting.fixed && this.read() !== this.setting.value;
  }

  applied() {
    this.setting.value = this.read();
    this.#mark();
  }

  complain(sentence) {
    this.error.textContent = sentence;
    this.error.hidden = !sentence;
    this.control.ariaInvalid = String(Boolean(sentence));
  }
}

/** The tab: sections of rows, of which one is shown, or all, or those that are searched for. */
class SettingsPage {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.sections = [];
    this.chosen = 0;
    this.#listen();
  }

  get rows() {
    return this.sections.flatMap((section) => section.rows);
  }

  #listen() {
    let timer = null;
    this.find("#settings_search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => (this.show(), this.#toTop()), SEARCH_MS);
    });
    const all = this.find("#settings_show_all_pages");
    all.addEventListener("click", () => {
      all.setAttribute("aria-pressed", String(all.ariaPressed !== "true"));
      this.show();
    });
    this.find("#settings_submit").addEventListener("click", () => this.apply());
    // What was changed elsewhere meanwhile is seen when the tab is opened again.
    new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting && !this.rows.some((row) => row.unsaved())) {
        this.load();
      }
    }).observe(this.root);
  }

  async load() {
    let sections;
    try {
      sections = await ask(ROUTE);
    } catch (error) {
      this.find(".settings-status").textContent = error.message;
      return;
    }
    this.sections = sections.map(({ label, note, settings }, index) => {
      const rows = settings.map((setting) => new Row(setting, () => this.count()));
      const button = make("button", { type: "button", textContent: label });
      button.addEventListener("click", () => this.choose(index));
      const heading = make("h2", { textContent: label });
      const words = make("p", { className: "setting-note", textContent: note, hidden: !note });
      return { rows, button, part: make("section", {}, heading, words, ...rows.map((row) => row.root)) };
    });
    this.find(".settings-sections").replaceChildren(...this.sections.map(({ button }) => button));
    this.find(".settings-list").replaceChildren(
      ...this.sections.map(({ part }) => part),
      make("p", { className: "settings-nothing", textContent: "Nothing found." }),
    );
    this.show();
  }

  choose(index) {
    this.chosen = index;
    this.find("#settings_search").value = "";
    this.find("#settings_show_all_pages").setAttribute("aria-pressed", "false");
    this.show();
    this.#toTop();
  }

  /** Show the first row again if it went out of sight. */
  #toTop() {
    if (this.root.getBoundingClientRect().top < 0) {
      this.root.scrollIntoView();
    }
  }

  /** Show the rows that are wanted now. */
  show() {
    const words = this.find("#settings_search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = this.find("#settings_show_all_pages").ariaPressed === "true";
    this.sections.forEach(({ rows, button, part }, index) => {
      for (const row of rows) {
        row.root.hidden = !words.every((word) => row.text.includes(word));
      }
      const chosen = !words.length && !all && index === this.chosen;
      part.hidden = words.length ? rows.every((row) => row.root.hidden) : !all && !chosen;
      button.ariaCurrent = chosen ? "page" : null;
    });
    this.find(".settings-nothing").hidden = this.sections.some(({ part }) => !part.hidden);
    this.count();
  }

  count() {
    const unsaved = this.rows.filter((row) => row.unsaved()).length;
    this.find("#settings_submit").disabled = !unsaved;
    const sentences = ["", "1 change is not applied yet", `${unsaved} changes are not applied yet`];
    this.find(".settings-status").textContent = sentences[Math.min(unsaved, 2)];
    for (const { rows, button } of this.sections) {
      button.classList.toggle("unsaved", rows.some((row) => row.unsaved()));
    }
  }

  async apply() {
    const rows = this.rows.filter((row) => row.unsaved());
    const changes = Object.fromEntries(rows.map((row) => [row.setting.name, row.read()]));
    this.root.ariaBusy = "true";
    try {
      const { refused } = await ask(ROUTE, { body: { changes } });
      const wrong = rows.filter((row) => refused[row.setting.name]);
      rows.forEach((row) => row.complain(refused[row.setting.name] ?? ""));
      if (wrong.length) {
        this.#point(wrong[0]);
        toast("Nothing was changed: a value does not fit.");
      } else {
        rows.forEach((row) => row.applied());
        toast(`Applied: ${rows.map((row) => translated(row.setting.label)).join("; ")}`).classList.add("calm");
      }
    } catch (error) {
      toast(error.message);
    }
    this.root.ariaBusy = "false";
    this.count();
  }

  /** Show a row, and put the cursor into it. */
  #point(row) {
    if (row.root.hidden || row.root.parentElement.hidden) {
      this.choose(this.sections.findIndex(({ rows }) => rows.includes(row)));
    }
    row.control.focus();
  }
}

/** Show the settings as soon as their tab is opened. */
export function showSettings() {
  whenPresent("#settings_page").then((root) => new SettingsPage(root));
}
