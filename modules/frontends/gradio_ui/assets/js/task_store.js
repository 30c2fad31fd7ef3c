/**
 * Which job belongs to which browser tab. A tab keeps its own in `sessionStorage`, which survives a reload; a copy in
 * `localStorage` lets a new tab take over the job of one that was closed. Living tabs say so when asked.
 */
const OWN = "easel.task";
const ALL = "easel.tasks";
const ANSWER_MS = 150;
const channel = new BroadcastChannel("easel.tasks");

channel.addEventListener("message", ({ data }) => {
  if (data.whose && data.whose === ownTask()) {
    channel.postMessage({ mine: data.whose });
  }
});

function unfinished() {
  try {
    const stored = JSON.parse(localStorage.getItem(ALL));
    return Array.isArray(stored) ? stored : [];
  } catch {
    return [];
  }
}

function store(ids) {
  localStorage.setItem(ALL, JSON.stringify(ids));
}

/** Return a new job's id, in A1111's form. */
export function newTask() {
  const random = crypto.getRandomValues(new Uint8Array(10));
  const word = Array.from(random, (byte) => (byte % 36).toString(36)).join("");
  return `task(${Date.now().toString(36)}${word})`;
}

/** Return the id of the last job that this tab started or took over. */
export function ownTask() {
  return sessionStorage.getItem(OWN);
}

/** Remember `id` as this tab's job. */
export function keepTask(id) {
  sessionStorage.setItem(OWN, id);
  store([...unfinished().filter((other) => other !== id), id]);
}

/** Note that the outcome of `id` has been shown, so that no other tab takes it over. */
export function finishTask(id) {
  store(unfinished().filter((other) => other !== id));
}

/** Whether the outcome of `id` has not been shown yet. */
export function isUnfinished(id) {
  return unfinished().includes(id);
}

/** Forget this tab's job. */
export function dropTask(id) {
  finishTask(id);
  sessionStorage.removeItem(OWN);
}

function isHeld(id) {
  return new Promise((resolve) => {
    const answered = ({ data }) => data.mine === id && settle(true);
    const timer = setTimeout(() => settle(false), ANSWER_MS);
    const settle = (held) => {
      clearTimeout(timer);
      channel.removeEventListener("message", answered);
      resolve(held);
    };
    channel.addEventListener("message", answered);
    channel.postMessage({ whose: id });
  });
}

/** Return the newest unfinished job that no living tab follows, or null. */
export async function orphanTask() {
  for (const id of unfinished().reverse()) {
    if (!(await isHeld(id))) {
      return id;
    }
  }
  return null;
}
