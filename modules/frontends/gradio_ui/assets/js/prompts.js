/** Let the buttons of suggestions fill the prompt of tab `name`. */
export function offerSuggestions(name) {
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.(`#${name}_suggestions [data-suggestion]`);
    if (button) {
      const box = document.querySelector(`#${name}_prompt textarea`);
      box.value = button.dataset.suggestion;
      box.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
}

const DEBOUNCE_MS = 350;

/** Have the tokens of tab `name`'s prompts counted a moment after the last key was pressed. */
export function countTokensOf(name) {
  let timer = null;
  document.addEventListener("input", ({ target }) => {
    if (target.closest?.(`#${name}_prompt, #${name}_neg_prompt`)) {
      clearTimeout(timer);
      timer = setTimeout(() => document.getElementById(`${name}_token_button`).click(), DEBOUNCE_MS);
    }
  });
}
