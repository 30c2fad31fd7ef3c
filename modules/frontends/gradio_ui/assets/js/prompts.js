const DEBOUNCE_MS = 350;

/** Have the tokens of both prompts counted a moment after the last key was pressed. */
export function countTokensOf(name) {
  const button = document.getElementById(`${name}_token_button`);
  let timer = null;
  for (const box of [`${name}_prompt`, `${name}_neg_prompt`]) {
    document.getElementById(box).addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => button.click(), DEBOUNCE_MS);
    });
  }
}
