import { pause } from "./dom.js";

const ACTIVE_MS = 250;
const SUBMITTED_MS = 120;
const QUEUED_MS = 400;
const HIDDEN_MS = 1500;
const RETRY_MS = 1000;
const TIMEOUT_MS = 8000;
/** How long a job may be unknown to the server after its submission before it counts as lost. */
const GRACE_MS = 10_000;

/** Ask the server about job `id`; `seen` is the number of the preview that is already shown. */
async function ask(id, seen, signal) {
  const response = await fetch("internal/progress", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ id_task: id, id_live_preview: seen, live_preview: !document.hidden }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  if (!response.ok) {
    throw new Error(`internal/progress answered ${response.status}`);
  }
  return response.json();
}

function interval(status) {
  if (document.hidden) {
    return HIDDEN_MS;
  }
  if (!status.active) {
    return status.queued ? QUEUED_MS : SUBMITTED_MS;
  }
  // Short jobs are asked about more often near their end, so that the picture does not wait for the next question.
  const remaining = status.eta == null ? ACTIVE_MS : status.eta * 1000;
  return Math.max(60, Math.min(ACTIVE_MS, remaining));
}

/**
 * Follow job `id` until it is over.
 *
 * @param {string} id the job.
 * @param {(status: object|null) => void} onStatus told every answer, and null while the server does not answer.
 * @param {AbortSignal} signal ends the following.
 * @returns {Promise<"completed"|"unknown"|"aborted">} how it ended.
 */
export async function follow(id, onStatus, signal) {
  let known = false;
  let seen = -1;
  let unknownSince = null;
  while (!signal.aborted) {
    let status;
    try {
      status = await ask(id, seen, signal);
    } catch {
      if (signal.aborted) {
        break;
      }
      onStatus(null);
      await pause(RETRY_MS, signal);
      continue;
    }
    if (status.completed) {
      return "completed";
    }
    if (status.active || status.queued) {
      known = true;
      seen = status.id_live_preview ?? seen;
      onStatus(status);
    } else {
      unknownSince ??= Date.now();
      if (known || Date.now() - unknownSince > GRACE_MS) {
        return "unknown";
      }
    }
    await pause(interval(status), signal);
  }
  return "aborted";
}

/** Ask once: is job `id` waiting, running or finished, as far as the server knows? */
export async function isKnown(id) {
  const status = await ask(id, -1, new AbortController().signal);
  return status.active || status.queued || status.completed;
}
