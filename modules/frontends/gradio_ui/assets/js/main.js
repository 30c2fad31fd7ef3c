import { loadCheckpoint } from "./checkpoint.js";
import { whenPresent } from "./dom.js";
import { countTokensOf, offerSuggestions } from "./prompts.js";
import { listenForShortcuts } from "./shortcuts.js";
import { toggleTheme } from "./theme.js";
import { chosenPicture, currentTask, generate, resume, stopping } from "./txt2img.js";

// What the events of the page call by name.
window.easel = { chosenPicture, currentTask, generate, loadCheckpoint, stopping };

countTokensOf("txt2img");
offerSuggestions("txt2img");
listenForShortcuts();
document.addEventListener("click", ({ target }) => target.closest?.("[data-action=toggle-theme]") && toggleTheme());

// Gradio loads the kinds of components one by one, so being there is asked of each kind that is needed.
await Promise.all(
  ["#txt2img_generate", "#txt2img_gallery", "#html_log_txt2img", "#txt2img_restore_progress", "[data-live=txt2img]"].map(
    whenPresent,
  ),
);
for (const button of document.querySelectorAll(".tool")) {
  button.title = button.textContent.trim();
}
resume();
// Tests, and scripts of extensions, wait for this.
document.documentElement.dataset.easel = "ready";
