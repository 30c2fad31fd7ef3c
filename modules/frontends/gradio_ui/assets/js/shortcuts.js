import { isRunning } from "./generation.js";

const press = (id) => document.getElementById(id).click();

/** Return the name of the tab that is seen, if it is one that makes pictures. */
function tabOf(target) {
  const inside = target.closest?.("[id^=tab_]") ?? document.querySelector("#tabs > [id^=tab_]:not([style*=none])");
  const name = inside?.id.replace("tab_", "");
  return document.getElementById(`${name}_generate`) ? name : null;
}

/** Whether Escape has a meaning of its own there: it closes an open drop-down, the large picture or a dialog. */
function closesSomething(target) {
  return target.getAttribute?.("aria-expanded") === "true" || target.closest?.("[id$=_gallery], dialog");
}

function onKey(event) {
  const tab = tabOf(event.target);
  if (!tab) {
    return;
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.closest?.(`#tab_${tab}`)) {
    event.preventDefault();
    if (!isRunning(tab)) {
      press(`${tab}_generate`);
    }
  } else if (event.key === "Enter" && event.altKey && isRunning(tab)) {
    event.preventDefault();
    press(`${tab}_skip`);
  } else if (event.key === "Escape" && isRunning(tab) && !closesSomething(event.target)) {
    press(`${tab}_interrupt`);
  }
}

/** Ctrl+Enter generates, Alt+Enter skips, Escape interrupts. */
export function listenForShortcuts() {
  document.addEventListener("keydown", onKey);
}
