/**
 * Which job belongs to which browser tab. A tab keeps its own in `sessionStorage`, which survives a reload; a copy in
 * `localStorage` lets a new tab take over the job of one that was closed. Living tabs say so when asked.
 */
const OWN = (tab) => `easel.task.${tab}`;
const ALL = "easel.tasks";
const ANSWER_MS = 150;
const channel = new BroadcastChannel("easel.tasks");

channel.addEventListener("message", ({ data }) => {
  if (data.whose && Object.values(sessionStorage).includes(data.whose)) {
    channel.postMessage({ mine: data.whose });
  }
});

function unfinished() {
  try {
    const stored = JSON.parse(localStorage.getItem(ALL));
    return Array.isArray(stored) ? stored.filter((task) => task?.id) : [];
  } catch {
    return [];
  }
}

function store(ids) {
  try {
    localStorage.setItem(ALL, JSON.stringify(ids));
  } catch {
    // full: another tab cannot take the job over then
  }
}

/** Return a new job's id, in A1111's form. */
export function newTask() {
  const random = crypto.getRandomValues(new Uint8Array(10));
  const word = Array.from(random, (byte) => (byte % 36).toString(36)).join("");
  return `task(${Date.now().toString(36)}${word})`;
}

/** Return the id of the last job that this browser tab started or took over on tab `tab` of the page. */
export function ownTask(tab) {
  return sessionStorage.getItem(OWN(tab));
}

/** Remember `id` as this browser tab's job. */
export function keepTask(tab, id) {
  sessionStorage.setItem(OWN(tab), id);
  store([...unfinished().filter((other) => other.id !== id), { tab, id }]);
}

/** Note that the outcome of `id` has been shown, so that no other tab takes it over. */
export function finishTask(id) {
  store(unfinished().filter((other) => other.id !== id));
}

/** Whether the outcome of `id` has not been shown yet. */
export function isUnfinished(id) {
  return unfinished().some((other) => other.id === id);
}

/** Forget this browser tab's job. */
export function dropTask(tab, id) {
  finishTask(id);
  if (ownTask(tab) === id) {
    sessionStorage.removeItem(OWN(tab));
  }
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

/** Return the newest unfinished job of tab `tab` of the page that no living browser tab follows, or null. */
export async function orphanTask(tab) {
  for (const { tab: of, id } of unfinished().reverse()) {
    if (of === tab && !(await isHeld(id))) {
      return id;
    }
  }
  return null;
}
