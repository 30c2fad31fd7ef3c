/** The side panel: its two parts, and in the first of them the queue. It asks the server only while there is a reason. */
import { History } from "./history.js";
import { ask, toast } from "./server.js";
import { isUnfinished } from "./task_store.js";

const OPEN_MS = 1000;
const CLOSED_MS = 2500;
/** How long it may take, and how long at most, until the server knows the job of a press on Generate. */
const SUBMIT_MS = 400;
const SUBMITTED_MS = 8000;
const OWN = "easel.own";
const MOST_OWN = 300;

/** The jobs that this browser has submitted, as far as it remembers. */
class OwnJobs {
  constructor() {
    try {
      this.ids = new Set(JSON.parse(localStorage.getItem(OWN)));
    } catch {
      this.ids = new Set();
    }
  }

  has(id) {
    if (!this.ids.has(id) && isUnfinished(id)) {
      this.ids.add(id);
      localStorage.setItem(OWN, JSON.stringify([...this.ids].slice(-MOST_OWN)));
    }
    return this.ids.has(id);
  }
}

function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** What is said of a job below its prompt. */
function facts(job, own) {
  const parts = [];
  if (job.status === "running") {
    parts.push(job.stage, job.eta == null ? "" : `${duration(job.eta)} left`);
  } else if (job.status !== "queued") {
    parts.push({ finished: "Finished", failed: "Failed", cancelled: "Cancelled" }[job.status]);
  }
  if (job.pictures) {
    const all = job.pictures === 1 ? "1 picture" : `${job.pictures} pictures`;
    parts.push(job.done && job.pictures > 1 ? `${job.done} of ${all}` : all);
  }
  parts.push(own ? "yours" : job.origin === "page" ? "" : "program");
  const line = parts.filter(Boolean).join(" · ");
  return job.status === "failed" ? `${line} · ${job.stage}` : line;
}

/** One list of jobs; entries stay the same elements, so that the focus stays where it is. */
class JobList {
  constructor(root, own) {
    this.root = root;
    this.own = own;
    this.entries = new Map();
  }

  show(jobs) {
    for (const [id, entry] of this.entries) {
      if (!jobs.some((job) => job.id === id)) {
        entry.remove();
        this.entries.delete(id);
      }
    }
    jobs.forEach((job, index) => {
      const entry = this.#entry(job);
      if (this.root.children[index] !== entry) {
        const focused = entry.contains(document.activeElement) ? document.activeElement : null;
        this.root.insertBefore(entry, this.root.children[index] ?? null);
        focused?.focus();
      }
      this.#fill(entry, job, index, jobs.length);
    });
  }

  #entry(job) {
    let entry = this.entries.get(job.id);
    if (!entry) {
      entry = document.getElementById("queue_entry_template").content.firstElementChild.cloneNode(true);
      entry.dataset.id = job.id;
      this.entries.set(job.id, entry);
    }
    return entry;
  }

  #fill(entry, job, index, count) {
    const find = (selector) => entry.querySelector(selector);
    const own = this.own.has(job.id);
    const title = job.title || "No prompt";
    entry.classList.toggle("own", own);
    entry.classList.toggle("failed", job.status === "failed");
    find(".queue-title").textContent = title;
    find(".queue-facts").textContent = facts(job, own);
    entry.title = title;
    const bar = find(".progress");
    bar.hidden = job.status !== "running";
    bar.setAttribute("aria-label", title);
    bar.setAttribute("aria-valuenow", String(Math.round(job.progress * 100)));
    find(".progress-fill").style.transform = `scaleX(${job.progress})`;
    const waits = job.status === "queued";
    const ended = !waits && job.status !== "running";
    const acts = { up: waits && index > 0, down: waits && index < count - 1, cancel: !ended, retry: ended };
    for (const button of entry.querySelectorAll("[data-act]")) {
      const { act } = button.dataset;
      button.hidden = { up: !waits, down: !waits, cancel: ended, retry: !ended }[act];
      button.ariaDisabled = String(!acts[act]);
      button.ariaLabel = `${button.textContent}: ${title}`;
    }
  }
}

class QueuePanel {
  constructor() {
    this.button = document.getElementById("queue_button");
    this.panel = document.getElementById("queue_panel");
    this.own = new OwnJobs();
    this.lists = Object.fromEntries(
      ["running", "waiting", "ended"].map((name) => [
        name,
        new JobList(this.panel.querySelector(`[data-list=${name}]`), this.own),
      ]),
    );
    this.tabs = [...this.panel.querySelectorAll("[role=tab]")];
    this.history = new History({ close: () => this.toggle(false) });
    this.timer = null;
    this.wasRunning = null;
    this.submitting = 0;
    this.#listen();
    this.refresh();
  }

  #listen() {
    this.button.addEventListener("click", () => this.toggle(this.panel.hidden));
    this.panel.querySelector("header [data-act=close]").addEventListener("click", () => this.toggle(false));
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.choose(tab));
    }
    this.panel.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
      if (["ArrowLeft", "ArrowRight"].includes(event.key)) {
        const other = this.tabs.find((tab) => tab.ariaSelected !== "true");
        this.choose(other);
        other.focus();
      }
    });
    // Before the page's own shortcuts: Escape closes the panel and does not stop the picture.
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        this.toggle(false);
      }
    });
    this.panel.addEventListener("click", ({ target }) => this.#act(target.closest("[data-act]")));
    document.addEventListener("click", ({ target }) => {
      if (target.closest?.("[id$=_generate]")) {
        this.submitting = Date.now() + SUBMITTED_MS;
        this.#later(SUBMIT_MS);
      }
    });
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
  }

  /** Open or close the panel. */
  toggle(open) {
    const focusInside = this.panel.contains(document.activeElement);
    this.panel.hidden = !open;
    this.button.ariaExpanded = String(open);
    if (open) {
      this.panel.focus({ preventScroll: true });
      this.choose(this.tabs.find((tab) => tab.ariaSelected === "true"));
    } else if (focusInside) {
      this.button.focus();
    }
  }

  /** Show one of the two parts. */
  choose(chosen) {
    for (const tab of this.tabs) {
      tab.ariaSelected = String(tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
    if (chosen.id === "history_tab") {
      this.history.open();
    }
    this.refresh();
  }

  async #act(button) {
    const id = button?.closest(".queue-entry")?.dataset.id;
    const { act } = button?.dataset ?? {};
    if (!id || button.ariaDisabled === "true") {
      return;
    }
    const move = act === "up" || act === "down";
    try {
      this.#show(await ask(`internal/queue/${move ? "move" : act}`, { body: move ? { id, to: act } : { id } }));
      this.#later(SUBMIT_MS);
    } catch (error) {
      toast(error.message);
      this.refresh();
    }
  }

  /** Ask how things stand, and ask again later while something waits, runs or is watched. */
  async refresh() {
    clearTimeout(this.timer);
    let answer = null;
    try {
      answer = await ask("internal/queue");
    } catch {
      // The server is away, which the page tells elsewhere.
    }
    if (answer) {
      this.#show(answer);
    }
    const jobs = answer?.running || answer?.waiting.length;
    this.submitting = jobs ? 0 : this.submitting;
    const soon = Date.now() < this.submitting;
    if (!document.hidden && (answer === null || jobs || soon || !this.panel.hidden)) {
      this.#later(soon ? 2 * SUBMIT_MS : this.panel.hidden ? CLOSED_MS : OPEN_MS);
    }
  }

  #later(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), milliseconds);
  }

  #show({ running, waiting, ended }) {
    const count = waiting.length + (running ? 1 : 0);
    this.button.querySelector(".queue-count").textContent = count || "";
    // Asked for each of them, so that those that end while the panel is closed are remembered.
    [running, ...waiting].forEach((job) => job && this.own.has(job.id));
    if (running?.id !== this.wasRunning) {
      this.wasRunning = running?.id ?? null;
      this.history.changed();
    }
    if (this.panel.hidden) {
      return;
    }
    const jobs = { running: running ? [running] : [], waiting, ended };
    for (const [name, list] of Object.entries(this.lists)) {
      list.show(jobs[name]);
      const title = this.panel.querySelector(`h3[data-of=${name}]`);
      title?.toggleAttribute("hidden", jobs[name].length === 0);
    }
    this.panel.querySelector(".queue-said").textContent = count
      ? `${running ? 1 : 0} running, ${waiting.length} waiting`
      : "Nothing waits or runs.";
  }
}

/** Bring the panel to life; it is on the page. */
export function showQueue() {
  return new QueuePanel();
}
