/** The history: small pictures of past runs, fetched page by page as they are scrolled to. */
import { compare } from "./compare.js";
import { RunDialog } from "./run_dialog.js";
import { ask } from "./server.js";

const PAGE = 60;
const SEARCH_MS = 200;

/** Where a picture of a run is, small or as it was saved. */
export const pictureAddress = (run, number, how = "picture") => `internal/history/${run}/${how}/${number}`;

export class History {
  /** @param {() => void} close closes the panel: what it covers is to be seen. */
  constructor({ close }) {
    this.root = document.getElementById("history_part");
    this.find = (name) => this.root.querySelector(`.history-${name}`);
    this.list = this.find("list");
    this.runs = [];
    this.total = 0;
    this.stale = true;
    this.asking = new AbortController();
    this.fetching = false;
    this.first = null;
    this.dialog = new RunDialog({
      next: (run, step) => this.runs[this.runs.findIndex((other) => other.id === run.id) + step] ?? null,
      changed: (run) => this.#replaced(run),
      forgotten: (run) => this.#removed(run),
      compare: (picture) => this.#choose(picture),
      restored: close,
    });
    this.#listen();
  }

  #listen() {
    let timer = null;
    this.find("search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.reload(), SEARCH_MS);
    });
    this.find("favourites").addEventListener("click", ({ currentTarget }) => {
      currentTarget.ariaPressed = String(currentTarget.ariaPressed !== "true");
      this.reload();
    });
    this.list.addEventListener("click", ({ target }) => {
      const run = this.runs.find(({ id }) => id === Number(target.closest(".run")?.dataset.run));
      if (run) {
        this.#pressed(run);
      }
    });
    this.list.addEventListener("keydown", (event) => this.#moved(event));
    this.root.querySelector("[data-act=stop-choosing]").addEventListener("click", () => this.#choose(null));
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.more(), {
      root: this.find("scroll"),
      rootMargin: "600px",
    }).observe(this.find("end"));
  }

  /** The part is seen: bring it up to date. */
  open() {
    if (this.stale) {
      this.reload();
    }
  }

  /** Something has begun or ended. */
  changed() {
    this.stale = true;
    if (this.root.checkVisibility() && this.find("scroll").scrollTop === 0) {
      this.reload();
    }
  }

  /** Ask anew, from the newest run on. */
  async reload() {
    this.stale = false;
    this.asking.abort();
    this.asking = new AbortController();
    this.fetching = false;
    const answer = await this.#fetch(0);
    if (answer) {
      this.runs = [];
      this.list.replaceChildren();
      this.find("scroll").scrollTop = 0;
      this.#add(answer);
    }
  }

  /** Fetch the next runs, if there are more. */
  async more() {
    if (this.fetching || this.runs.length === 0 || this.runs.length >= this.total) {
      return;
    }
    const answer = await this.#fetch(this.runs.length);
    if (answer) {
      this.#add(answer);
    }
  }

  async #fetch(start) {
    const { signal } = this.asking;
    this.fetching = true;
    const favourites = this.find("favourites").ariaPressed === "true";
    try {
      const query = { search: this.find("search").value.trim(), favourites, start, count: PAGE };
      return await ask("internal/history", { query, signal });
    } catch (error) {
      if (!signal.aborted) {
        this.find("said").textContent = error.message;
      }
      return null;
    } finally {
      if (!signal.aborted) {
        this.fetching = false;
      }
    }
  }

  #add({ total, runs }) {
    this.total = total;
    const known = new Set(this.runs.map(({ id }) => id));
    // Runs that were added meanwhile move the others down, so that some come twice.
    const fresh = runs.filter(({ id }) => !known.has(id));
    this.runs.push(...fresh);
    this.list.append(...fresh.map((run) => this.#tile(run)));
    const nothing = this.find("search").value || this.find("favourites").ariaPressed === "true" ? "Nothing found." : "";
    this.find("said").textContent = total
      ? `${total} run${total === 1 ? "" : "s"}`
      : nothing || "Nothing yet. What you make is kept here, with its whole form.";
    if (!runs.length) {
      this.total = this.runs.length;
    }
  }

  #tile(run) {
    const tile = document.getElementById("run_template").content.firstElementChild.cloneNode(true);
    tile.dataset.run = run.id;
    const words = run.prompt || "No prompt";
    const picture = tile.querySelector("img");
    if (run.cover !== null) {
      picture.src = pictureAddress(run.id, run.cover, "thumb");
      picture.hidden = false;
      picture.addEventListener("error", () => (picture.hidden = true));
    }
    tile.title = words;
    tile.querySelector(".run-words").textContent = run.cover === null ? `${words} (${run.status})` : words;
    const count = tile.querySelector(".run-count");
    count.hidden = run.pictures < 2;
    count.textContent = `×${run.pictures}`;
    tile.querySelector(".run-star").hidden = !run.favourite;
    return tile;
  }

  #pressed(run) {
    if (this.first && run.cover !== null) {
      compare(this.first, { run, number: run.cover });
      this.#choose(null);
    } else if (!this.first) {
      this.dialog.open(run);
    }
  }

  /** Let a person choose what `first` is compared with; null to end that. */
  #choose(first) {
    this.first = first;
    this.find("choosing").hidden = first === null;
    this.root.classList.toggle("choosing", first !== null);
  }

  #element(run) {
    return this.list.querySelector(`[data-run="${run.id}"]`);
  }

  #replaced(run) {
    const place = this.runs.findIndex(({ id }) => id === run.id);
    this.runs[place] = run;
    this.#element(run).replaceWith(this.#tile(run));
  }

  #removed(run) {
    this.runs = this.runs.filter(({ id }) => id !== run.id);
    this.#element(run)?.remove();
    this.total -= 1;
    this.find("said").textContent = `${this.total} run${this.total === 1 ? "" : "s"}`;
  }

  /** The arrow keys go from picture to picture. */
  #moved(event) {
    const tiles = [...this.list.children];
    const place = tiles.indexOf(event.target.closest(".run"));
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const next = step && tiles[place + step];
    if (next) {
      event.preventDefault();
      next.querySelector(".run-main").focus();
    }
  }
}
