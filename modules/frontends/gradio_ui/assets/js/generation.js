import { canvasValues } from "./canvas.js";
import { pause } from "./dom.js";
import { LiveView } from "./live_view.js";
import { follow, isKnown } from "./progress.js";
import { toast } from "./server.js";
import { dropTask, finishTask, isUnfinished, keepTask, newTask, orphanTask, ownTask } from "./task_store.js";

const OUTCOME_MS = 15_000;
/** For so long Interrupt cannot be pressed, so that a double click on Generate does not hit it. */
const FRESH_MS = 500;
const running = new Set();
const forever = new Set();

const element = (tab, name) => document.getElementById(`${tab}_${name}`);

/** Whether the job of this browser tab on tab `tab` of the page is waiting or running. */
export function isRunning(tab) {
  return running.has(tab);
}

/** A promise that is kept when the page shows the outcome of job `id` (its pictures or its error). */
function outcome(tab, id) {
  const log = document.getElementById(`html_log_${tab}`);
  return new Promise((resolve) => {
    const look = () => {
      if (log.querySelector("[data-job]")?.dataset.job === id) {
        observer.disconnect();
        resolve();
      }
    };
    const observer = new MutationObserver(look);
    observer.observe(log, { childList: true, subtree: true, attributes: true });
    look();
  });
}

/** Show job `id` while it waits and runs, and fetch its pictures when it is over; `sending` is waited for before. */
async function attend(tab, id, sending = null) {
  running.add(tab);
  keepTask(tab, id);
  const view = new LiveView(tab);
  const box = element(tab, "generate_box");
  const done = new AbortController();
  box.classList.remove("stopping");
  box.classList.add("running", "fresh");
  setTimeout(() => box.classList.remove("fresh"), FRESH_MS);
  view.open();
  await Promise.resolve(sending).catch(() => null);
  // A refused request has its outcome without ever having been a job.
  const shown = outcome(tab, id).then(() => done.abort());
  const ending = await follow(id, (status) => view.show(status), done.signal);
  if (ending !== "aborted") {
    element(tab, "restore_progress").click();
    await Promise.race([shown, pause(OUTCOME_MS)]);
  }
  finishTask(id);
  view.close();
  box.classList.remove("running");
  running.delete(tab);
  if (box.classList.contains("stopping") || document.querySelector(`#html_log_${tab} .error`)) {
    generateForever(tab, false);
  } else if (forever.has(tab)) {
    element(tab, "generate").click();
  }
}

/** Make pictures one after the other until it is switched off, something fails, or Interrupt is pressed. */
export function generateForever(tab, on) {
  forever[on ? "add" : "delete"](tab);
  element(tab, "generate_box")?.classList.toggle("forever", on);
  if (on && !isRunning(tab)) {
    element(tab, "generate").click();
  }
}

/** Whether that is switched on. */
export function generatesForever(tab) {
  return forever.has(tab);
}

/** Called by Gradio when Generate is pressed: give the job its id and follow it. The first value is that id's field. */
export async function generate(tab, names, [, ...values]) {
  const id = newTask();
  const sending = canvasValues(tab);
  attend(tab, id, sending);
  try {
    const pictures = (await sending) ?? {};
    return [id, ...names.map((name, index) => pictures[name] ?? values[index])];
  } catch (error) {
    toast(error.message);
    return [id, ...values]; // which name no picture, so that the server refuses them
  }
}

/** Called by Gradio when Interrupt or Skip is pressed, and to fetch a finished job's pictures. */
export function currentTask(tab) {
  return ownTask(tab);
}

/** Show that the wish to stop was heard; the worker notices it at its next step. */
export function stopping(tab) {
  element(tab, "generate_box").classList.add("stopping");
  return ownTask(tab);
}

/** Called by Gradio when the seed is to be reused: which picture is chosen in the gallery. */
export function chosenPicture(tab) {
  const thumbnails = [...element(tab, "gallery").querySelectorAll(".thumbnail-item")];
  return Math.max(0, thumbnails.findIndex((thumbnail) => thumbnail.classList.contains("selected")));
}

/** After a (re)load: find the job that this tab, or one that was closed, was waiting for. */
export async function resume(tab) {
  const id = ownTask(tab) ?? (await orphanTask(tab));
  if (!id || isRunning(tab)) {
    return;
  }
  const known = await isKnown(id).catch(() => true);
  if (isRunning(tab)) {
    return; // Generate was pressed meanwhile
  }
  if (known) {
    attend(tab, id);
    return;
  }
  if (isUnfinished(id)) {
    // The person waits for it still, and is told that it is gone.
    element(tab, "restore_progress").click();
    await Promise.race([outcome(tab, id), pause(OUTCOME_MS)]);
  }
  dropTask(tab, id);
}
