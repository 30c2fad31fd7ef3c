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
