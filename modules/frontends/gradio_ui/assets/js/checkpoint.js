import { LiveView } from "./live_view.js";
import { follow } from "./progress.js";
import { newTask } from "./task_store.js";

let loading = null;

/**
 * Called by Gradio when a checkpoint is chosen: give its loading an id and show how far it is. A choice made with the
 * mouse is reported twice, by the click and by leaving the box; the second report gets no id.
 */
export function loadCheckpoint(_, title) {
  if (loading?.title === title) {
    return ["", title];
  }
  loading?.ending.abort();
  const mine = { title, ending: new AbortController() };
  loading = mine;
  const id = newTask();
  const view = new LiveView("checkpoint");
  view.open();
  follow(id, (status) => view.show(status), mine.ending.signal).finally(() => {
    if (loading === mine) {
      loading = null;
      view.close();
    }
  });
  return [id, title];
}

let wanted = null;

/** Return the title of the checkpoint that is chosen at the top of the page. */
export function chosenCheckpoint() {
  return document.querySelector("#setting_sd_model_checkpoint input")?.value ?? "";
}

/** Choose the checkpoint called `title`, as if at the top of the page. */
export function chooseCheckpoint(title) {
  wanted = title;
  document.getElementById("checkpoint_choose").click();
}

/** Called by Gradio for `chooseCheckpoint`. */
export function loadWantedCheckpoint() {
  return loadCheckpoint(null, wanted);
}
