import { LiveView } from "./live_view.js";
import { follow } from "./progress.js";
import { newTask } from "./task_store.js";

let loading = null;

/** Called by Gradio when a checkpoint is chosen: give its loading an id and show how far it is. */
export function loadCheckpoint(id, title) {
  loading?.abort();
  const done = new AbortController();
  loading = done;
  const job = newTask();
  const view = new LiveView("checkpoint");
  view.open();
  follow(job, (status) => view.show(status), done.signal).finally(() => loading === done && view.close());
  return [job, title];
}

/** Called by Gradio when the choice has been dealt with. */
export function checkpointLoaded() {
  loading?.abort();
}
