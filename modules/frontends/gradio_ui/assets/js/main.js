import { workCanvases } from "./canvas.js";
import { showCardsOf } from "./cards.js";
import { loadCheckpoint, loadWantedCheckpoint } from "./checkpoint.js";
import { whenPresent } from "./dom.js";
import { offerGenerateMenu } from "./generate_menu.js";
import { editPrompts } from "./prompt_edit.js";
import { countTokensOf, offerSuggestions } from "./prompts.js";
import { kept, wanted, watchForm } from "./form.js";
import { chosenPicture, currentTask, generate, resume, stopping } from "./generation.js";
import { localize } from "./localization.js";
import { pasted, takeDroppedPictures } from "./paste.js";
import { showPngInfo } from "./png_info.js";
import { sendPicturesOf } from "./send.js";
import { showQueue } from "./queue_panel.js";
import { showSettings } from "./settings.js";
import { listenForShortcuts } from "./shortcuts.js";
import { editStyles } from "./styles.js";
import { toggleTheme } from "./theme.js";

const localized = localize();

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

const FIRST = "txt2img";
const TABS = [FIRST, "img2img"];

for (const tab of TABS) {
  countTokensOf(tab);
  offerSuggestions(tab);
  showCardsOf(tab);
  watchForm(tab);
  takeDroppedPictures(tab);
  sendPicturesOf(tab);
}
workCanvases("img2img");
showPngInfo();
showSettings();
editPrompts();
editStyles();
offerGenerateMenu();
listenForShortcuts();
document.addEventListener("click", ({ target }) => target.closest?.("[data-action=toggle-theme]") && toggleTheme());

// Gradio loads the kinds of components one by one, so being there is asked of each kind that is needed.
const partsOf = (tab) =>
  [`#${tab}_generate`, `#${tab}_gallery`, `#html_log_${tab}`, `#${tab}_restore_progress`, `[data-live=${tab}]`].map(
    whenPresent,
  );
await Promise.all([localized, ...partsOf(FIRST)]);
nameTools();
new MutationObserver(nameTools).observe(document.querySelector("#tabs"), { childList: true, subtree: true });
// Other tabs are there when they are opened first.
for (const tab of TABS) {
  Promise.all(partsOf(tab)).then(() => resume(tab));
}
whenPresent("#queue_panel").then(showQueue);
// Tests, and scripts of extensions, wait for this.
document.documentElement.dataset.easel = "ready";
