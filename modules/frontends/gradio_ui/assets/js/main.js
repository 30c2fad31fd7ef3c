import { checkpointLoaded, loadCheckpoint } from "./checkpoint.js";
import { whenPresent } from "./dom.js";
import { countTokensOf } from "./prompts.js";
import { listenForShortcuts } from "./shortcuts.js";
import { toggleTheme } from "./theme.js";
import { chosenPicture, currentTask, generate, resume, stopping } from "./txt2img.js";

// What the events of the page call by name.
window.easel = { checkpointLoaded, chosenPicture, currentTask, generate, loadCheckpoint, stopping };

await whenPresent("#txt2img_generate");
for (const button of document.querySelectorAll(".tool")) {
  button.title = button.textContent.trim();
}
document.addEventListener("click", ({ target }) => target.closest?.("[data-action=toggle-theme]") && toggleTheme());
countTokensOf("txt2img");
listenForShortcuts();
resume();
// Tests, and scripts of extensions, wait for this.
document.documentElement.dataset.easel = "ready";
