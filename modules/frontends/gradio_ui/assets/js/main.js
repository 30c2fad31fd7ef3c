import { showCardsOf } from "./cards.js";
import { loadCheckpoint, loadWantedCheckpoint } from "./checkpoint.js";
import { whenPresent } from "./dom.js";
import { countTokensOf, offerSuggestions } from "./prompts.js";
import { kept, wanted, watchForm } from "./form.js";
import { pasted, takeDroppedPictures } from "./paste.js";
import { listenForShortcuts } from "./shortcuts.js";
import { toggleTheme } from "./theme.js";
import { chosenPicture, currentTask, generate, resume, stopping } from "./txt2img.js";

// What the events of the page call by name.
window.easel = {
  chosenPicture,
  currentTask,
  generate,
  kept,
  loadCheckpoint,
  loadWantedCheckpoint,
  pasted,
  stopping,
  wanted,
};

/** Buttons that show an icon say their name when the pointer rests on them; tabs are filled when they are opened. */
function nameTools() {
  for (const button of document.querySelectorAll(".tool:not([title])")) {
    button.title = button.textContent.trim();
  }
}

countTokensOf("txt2img");
offerSuggestions("txt2img");
showCardsOf("txt2img");
watchForm("txt2img");
takeDroppedPictures("txt2img");
listenForShortcuts();
document.addEventListener("click", ({ target }) => target.closest?.("[data-action=toggle-theme]") && toggleTheme());

// Gradio loads the kinds of components one by one, so being there is asked of each kind that is needed.
await Promise.all(
  ["#txt2img_generate", "#txt2img_gallery", "#html_log_txt2img", "#txt2img_restore_progress", "[data-live=txt2img]"].map(
    whenPresent,
  ),
);
nameTools();
new MutationObserver(nameTools).observe(document.querySelector("#tabs"), { childList: true, subtree: true });
resume();
// Tests, and scripts of extensions, wait for this.
document.documentElement.dataset.easel = "ready";
