/**
 * The form of a tab as a whole: remembered a moment after each change, so that it survives a reload, and with all its
 * former states, so that changes can be undone. Gradio's components are read and filled through hidden buttons.
 */
const REMEMBER_MS = 600;
const MOST_STATES = 100;
const forms = {};

const button = (name, action) => document.getElementById(`${name}_${action}`);

class Form {
  constructor(name) {
    this.name = name;
    this.states = [];
    this.place = -1;
    this.step = 0;
    const changed = ({ target }) => target.closest?.(`#tab_${name}`) && !target.closest(".cards, .unseen") && this.soon();
    for (const kind of ["input", "change", "click"]) {
      document.addEventListener(kind, changed);
    }
    document.addEventListener("click", ({ target }) => {
      for (const [action, step] of [["undo", -1], ["redo", 1]]) {
        if (target.closest?.(`#${name}_${action}`)) {
          this.go(step);
        }
      }
    });
  }

  /** Remember the form a moment after the last change. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => button(this.name, "remember")?.click(), REMEMBER_MS);
  }

  /** Take note of a state, unless nothing has changed. */
  note(values) {
    const state = JSON.stringify(values);
    if (state === this.states[this.place]) {
      return;
    }
    this.states.splice(this.place + 1);
    this.states.push(state);
    this.states.splice(0, this.states.length - MOST_STATES);
    this.place = this.states.length - 1;
    this.#show();
  }

  /** Return to the state before, or after, the one that is shown. */
  go(step) {
    clearTimeout(this.timer);
    this.step = step;
    button(this.name, "fill").click();
  }

  /** Return the values that the form shall have, which has `values` now: what was typed a moment ago is noted first. */
  next(values) {
    const { step } = this;
    this.step = 0;
    this.note(values);
    const state = this.states[this.place + step];
    if (!step || state === undefined) {
      return values;
    }
    this.place += step;
    this.#show();
    return JSON.parse(state);
  }

  #show() {
    button(this.name, "undo").disabled = this.place < 1;
    button(this.name, "redo").disabled = this.place >= this.states.length - 1;
  }
}

/** Watch over the form of tab `name`. */
export function watchForm(name) {
  forms[name] = new Form(name);
}

/** Called by Gradio with the values of a form, to be kept by name. */
export function kept(name, names, values) {
  forms[name].note(values);
  return [Object.fromEntries(names.map((each, index) => [each, values[index]]))];
}

/** Called by Gradio with the values of a form: return those that it shall have. */
export function wanted(name, values) {
  return forms[name].next(values);
}
