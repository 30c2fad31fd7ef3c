import { isRunning } from "./txt2img.js";

const press = (id) => document.getElementById(id).click();

/** Whether Escape has a meaning of its own there: it closes an open drop-down, or the large picture. */
function closesSomething(target) {
  return target.getAttribute?.("aria-expanded") === "true" || target.closest?.("#txt2img_gallery");
}

function onKey(event) {
  const inTab = event.target.closest?.("#tab_txt2img");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && inTab) {
    event.preventDefault();
    if (!isRunning()) {
      press("txt2img_generate");
    }
  } else if (event.key === "Enter" && event.altKey && isRunning()) {
    event.preventDefault();
    press("txt2img_skip");
  } else if (event.key === "Escape" && isRunning() && !closesSomething(event.target)) {
    press("txt2img_interrupt");
  }
}

/** Ctrl+Enter generates, Alt+Enter skips, Escape interrupts. */
export function listenForShortcuts() {
  document.addEventListener("keydown", onKey);
}
