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
