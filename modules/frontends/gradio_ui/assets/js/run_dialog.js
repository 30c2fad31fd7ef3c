/** One run of the history: its pictures large, its infotext, and what can be done with it. */
import { whenPresent } from "./dom.js";
import { pictureAddress } from "./history.js";
import { sendInfotext } from "./paste.js";
import { showTab } from "./send.js";
import { ask } from "./server.js";

/** What a form that made no picture would have said of it. */
function infotextOf(form) {
  const negative = form.negative_prompt ? [`Negative prompt: ${form.negative_prompt}`] : [];
  const fields = {
    Steps: form.steps,
    Sampler: form.sampler,
    "Schedule type": form.scheduler,
    "CFG scale": form.cfg_scale,
    Seed: form.seed,
    Size: `${form.width}x${form.height}`,
  };
  const last = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  return [form.prompt, ...negative, last.join(", ")].join("\n");
}

/** Fill the form of tab `tab` with what an infotext says. */
async function restore(tab, infotext) {
  showTab(tab);
  await whenPresent(tab === "txt2img" ? "#paste" : `#${tab}_paste`);
  // What was in the form until now can be had back by undoing.
  document.getElementById(`${tab}_remember`).click();
  sendInfotext(tab, infotext);
}

export class RunDialog {
  /**
   * @param {object} tell what the history does.
   * @param {(run: object, step: number) => object|null} tell.next the run beside another one.
   * @param {(run: object) => void} tell.changed a run is another one now.
   * @param {(run: object) => void} tell.forgotten a run was removed.
   * @param {(picture: object) => void} tell.compare a picture is to be compared with another one.
   * @param {() => void} tell.restored a form was filled.
   */
  constructor(tell) {
    this.tell = tell;
    this.root = document.getElementById("run_dialog");
    this.find = (selector) => this.root.querySelector(selector);
    this.find(".run-picture").addEventListener("load", () => this.find(".run-stage").classList.remove("loading"));
    this.root.addEventListener("click", ({ target }) => {
      const act = target === this.root ? "close" : target.closest("[data-act]")?.dataset.act;
      if (act) {
        this.#do(act);
      }
    });
    this.root.addEventListener("keydown", (event) => {
      event.stopPropagation(); // the page's shortcuts are not meant here
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) {
        event.preventDefault();
        this.#step(step);
      }
    });
  }

  /** Show a run, beginning with its last picture if it was come to from the right. */
  async open(run, { last = false } = {}) {
    this.find(".run-said").textContent = "";
    try {
      this.whole = await ask(`internal/history/${run.id}`);
    } catch (error) {
      this.find(".run-said").textContent = error.message;
      this.whole = { ...run, images: [], form: {} };
    }
    this.run = run;
    const there = this.whole.images.map((image, number) => (image.there ? number : -1)).filter((number) => number >= 0);
    this.shown = last ? (there.at(-1) ?? 0) : there.includes(run.cover) ? run.cover : (there[0] ?? 0);
    this.#show();
    if (!this.root.open) {
      this.root.showModal();
    }
  }

  get #image() {
    return this.whole.images[this.shown];
  }

  #infotext() {
    return this.#image?.infotext || (this.whole.form.steps ? infotextOf(this.whole.form) : "");
  }

  #show() {
    const { whole, run } = this;
    const image = this.#image;
    const picture = this.find(".run-picture");
    const missing = this.find(".run-missing");
    picture.hidden = !image?.there;
    missing.hidden = !picture.hidden;
    if (image?.there) {
      this.find(".run-stage").classList.add("loading");
      picture.width = image.width;
      picture.height = image.height;
      picture.alt = whole.prompt || "Picture without a prompt";
      picture.src = pictureAddress(run.id, this.shown);
    } else {
      picture.removeAttribute("src");
      missing.textContent = image ? "This picture was not saved, or is no longer there." : whole.message || "No picture was finished.";
    }
    const several = whole.images.length > 1 ? `${this.shown + 1} of ${whole.images.length} · ` : "";
    const seconds = whole.seconds ? ` · ${whole.seconds.toFixed(1)} s` : "";
    const made = new Date(whole.created).toLocaleString();
    this.find("h2").textContent = `${several}${made} · ${whole.checkpoint || whole.kind}${seconds}`;
    this.find(".run-infotext").textContent = this.#infotext();
    this.find("[data-act=favourite]").ariaPressed = String(run.favourite);
    this.find("[data-act=compare]").disabled = !image?.there;
    this.find("[data-act=restore]").disabled = !this.#infotext();
    this.find("[data-act=previous]").disabled = this.shown === 0 && !this.tell.next(run, -1);
    this.find("[data-act=next]").disabled = this.shown >= whole.images.length - 1 && !this.tell.next(run, 1);
  }

  #step(step) {
    const place = this.shown + step;
    if (this.whole.images[place]) {
      this.shown = place;
      this.#show();
    } else {
      const beside = this.tell.next(this.run, step);
      if (beside) {
        this.open(beside, { last: step < 0 });
      }
    }
  }

  async #do(act) {
    switch (act) {
      case "close":
        return this.root.close();
      case "previous":
        return this.#step(-1);
      case "next":
        return this.#step(1);
      case "restore":
        this.root.close();
        this.tell.restored();
        return restore(this.whole.kind, this.#infotext());
      case "compare":
        this.root.close();
        return this.tell.compare({ run: this.run, number: this.shown });
      case "favourite":
        return this.#try(async () => {
          const favourite = !this.run.favourite;
          await ask(`internal/history/${this.run.id}/favourite`, { body: { favourite } });
          this.run = { ...this.run, favourite };
          this.tell.changed(this.run);
          this.#show();
        });
      case "forget":
        return this.#try(async () => {
          await ask(`internal/history/${this.run.id}`, { method: "DELETE" });
          this.root.close();
          this.tell.forgotten(this.run);
        });
    }
  }

  async #try(change) {
    try {
      await change();
    } catch (error) {
      this.find(".run-said").textContent = error.message;
    }
  }
}
