import { whenPresent } from "./dom.js";
import { toast } from "./server.js";

const ZOOM_STEP = 1.15;
const MOST_ZOOM = 16;
const KEPT = (tab) => `easel.canvases.${tab}`;
const tabs = {};

const blobOf = (canvas) => new Promise((resolve) => canvas.toBlob(resolve, "image/png"));

async function upload(blob) {
  const answer = await fetch("internal/uploads", { method: "POST", body: blob });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new Error(typeof said.detail === "string" ? said.detail : `The picture was not taken (${answer.status}).`);
  }
  return said.id;
}

/** A frame with a picture, on which a brush may paint. Strokes are kept as such, so that each can be undone. */
class PictureCanvas {
  constructor(root, onChange) {
    this.root = root;
    this.onChange = onChange;
    this.draws = root.dataset.draws;
    this.view = root.querySelector(".canvas-view");
    this.stack = root.querySelector(".canvas-stack");
    this.ground = root.querySelector(".ground");
    this.layer = root.querySelector(".strokes");
    this.strokes = [];
    this.erasing = false;
    this.zoom = 1;
    this.#listen();
  }

  get filled() {
    return !this.view.hidden;
  }

  #listen() {
    const input = this.root.querySelector("[type=file]");
    input.addEventListener("change", () => input.files[0] && this.setFile(input.files[0]));
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = [...event.dataTransfer.files].find((each) => each.type.startsWith("image/"));
      if (file) {
        this.setFile(file);
      } else if (event.dataTransfer.files.length) {
        toast("This is not a picture.");
      }
    });
    this.root.addEventListener("click", ({ target }) => this.#act(target.closest("[data-act]")?.dataset.act));
    this.view.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.layer.addEventListener("pointerdown", (event) => this.#begin(event));
    this.layer.addEventListener("pointermove", (event) => this.#go(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.layer.addEventListener(end, () => this.#end());
    }
  }

  #act(name) {
    const actions = {
      undo: () => this.strokes.pop() && this.#strokesChanged(),
      clear: () => this.strokes.splice(0).length && this.#strokesChanged(),
      erase: () => this.#setErasing(!this.erasing),
      fit: () => this.#setZoom(1),
      remove: () => this.remove(),
    };
    actions[name]?.();
  }

  #setErasing(on) {
    this.erasing = on;
    this.root.querySelector("[data-act=erase]").setAttribute("aria-pressed", String(on));
  }

  #setZoom(zoom) {
    this.zoom = Math.min(MOST_ZOOM, Math.max(1, zoom));
    this.stack.style.width = this.zoom === 1 ? "" : `${this.zoom * 100}%`;
    this.stack.classList.toggle("zoomed", this.zoom > 1);
  }

  #wheel(event) {
    const direction = event.deltaY < 0 ? 1 : -1;
    if (event.altKey) {
      event.preventDefault();
      const before = this.layer.getBoundingClientRect();
      const [x, y] = [(event.clientX - before.left) / before.width, (event.clientY - before.top) / before.height];
      this.#setZoom(this.zoom * ZOOM_STEP ** direction);
      const after = this.layer.getBoundingClientRect();
      this.view.scrollBy(after.left + x * after.width - event.clientX, after.top + y * after.height - event.clientY);
    } else if (event.ctrlKey && this.draws !== "nothing") {
      event.preventDefault();
      const brush = this.root.querySelector("[name=brush]");
      brush.value = Number(brush.value) + direction * Math.max(1, Math.round(Number(brush.value) / 10));
    }
  }

  /** Where a pointer is on the picture, px of the picture. */
  #point(event) {
    const seen = this.layer.getBoundingClientRect();
    const scale = this.layer.width / seen.width;
    return [event.clientX - seen.left, event.clientY - seen.top].map((place) => Math.round(place * scale * 10) / 10);
  }

  #begin(event) {
    if (this.draws === "nothing" || event.button !== 0) {
      return;
    }
    event.preventDefault();
    this.layer.setPointerCapture(event.pointerId);
    const scale = this.layer.width / this.layer.getBoundingClientRect().width;
    this.stroke = {
      size: Number(this.root.querySelector("[name=brush]").value) * scale,
      colour: this.root.querySelector("[name=colour]")?.value ?? "#ffffff",
      erase: this.erasing,
      points: [this.#point(event)],
    };
    this.#paint(this.stroke);
  }

  #go(event) {
    if (!this.stroke) {
      return;
    }
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      this.stroke.points.push(this.#point(each));
    }
    this.#paint({ ...this.stroke, points: this.stroke.points.slice(-20) });
  }

  #end() {
    if (this.stroke) {
      this.strokes.push(this.stroke);
      this.stroke = null;
      this.onChange();
    }
  }

  #paint({ size, colour, erase, points }) {
    const context = this.layer.getContext("2d");
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = size;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(...points[0]);
    points.forEach((point) => context.lineTo(...point));
    context.lineTo(points.at(-1)[0] + 0.01, points.at(-1)[1]); // a single point is a dot
    context.stroke();
  }

  #strokesChanged() {
    this.#repaint();
    this.onChange();
  }

  #repaint() {
    this.layer.getContext("2d").clearRect(0, 0, this.layer.width, this.layer.height);
    this.strokes.forEach((stroke) => this.#paint(stroke));
  }

  /** Show the picture in a file (or blob). */
  async setFile(file) {
    try {
      const id = await upload(file);
      await this.show(id, []);
      this.onChange();
    } catch (error) {
      toast(error.message);
    }
  }

  /** Show the picture that the server has under `id`, with strokes on it. */
  async show(id, strokes) {
    const answer = await fetch(`internal/uploads/${id}`);
    if (!answer.ok) {
      return;
    }
    const picture = await createImageBitmap(await answer.blob());
    this.id = id;
    for (const canvas of [this.ground, this.layer]) {
      canvas.width = picture.width;
      canvas.height = picture.height;
    }
    this.ground.getContext("2d").drawImage(picture, 0, 0);
    this.strokes = strokes;
    this.#repaint();
    this.#setZoom(1);
    this.root.querySelector(".canvas-size").textContent = `${picture.width} × ${picture.height}`;
    this.#setFilled(true);
  }

  #setFilled(filled) {
    this.root.querySelector(".canvas-empty").hidden = filled;
    this.view.hidden = this.root.querySelector(".canvas-bar").hidden = !filled;
  }

  /** Take the picture away. */
  remove() {
    this.id = null;
    this.strokes = [];
    this.root.querySelector("[type=file]").value = "";
    this.#setFilled(false);
    this.onChange();
  }

  /** What is to be remembered. */
  state() {
    return this.id ? { id: this.id, strokes: this.strokes } : null;
  }

  /** The id of the picture with what was painted on it. */
  async painted() {
    if (!this.strokes.length) {
      return this.id;
    }
    const whole = new OffscreenCanvas(this.ground.width, this.ground.height);
    const context = whole.getContext("2d");
    context.drawImage(this.ground, 0, 0);
    context.drawImage(this.layer, 0, 0);
    return upload(await whole.convertToBlob({ type: "image/png" }));
  }

  /** The id of a mask: white where something was painted, black elsewhere; empty when nothing was. */
  async mask() {
    if (!this.strokes.some((stroke) => !stroke.erase)) {
      return "";
    }
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [this.layer.width, this.layer.height];
    const context = whole.getContext("2d");
    context.drawImage(this.layer, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, whole.width, whole.height);
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#000";
    context.fillRect(0, 0, whole.width, whole.height);
    return upload(await blobOf(whole));
  }
}

/** The frames of a tab, one for each mode. */
class Canvases {
  constructor(tab, root) {
    this.tab = tab;
    this.root = root;
    this.frames = {};
    for (const frame of root.querySelectorAll(".canvas")) {
      const { canvas: mode, part } = frame.dataset;
      this.frames[`${mode} ${part}`] = new PictureCanvas(frame, () => this.#remember());
    }
    root.querySelector("[role=tablist]").addEventListener("click", ({ target }) => {
      if (target.dataset.mode) {
        this.choose(target.dataset.mode);
      }
    });
    root.querySelector("[role=tablist]").addEventListener("keydown", (event) => this.#moved(event));
    document.addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
      if (file && root.checkVisibility() && !event.target.closest("textarea, input")) {
        this.frames[`${this.mode} image`].setFile(file);
      }
    });
    this.#restore();
  }

  #moved(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const buttons = [...this.root.querySelectorAll("[data-mode]")];
    const next = buttons[buttons.indexOf(event.target) + step];
    if (next) {
      event.preventDefault();
      this.choose(next.dataset.mode);
      next.focus();
    }
  }

  get mode() {
    return this.root.querySelector("[data-mode][aria-selected=true]").dataset.mode;
  }

  /** Show the frame of a mode, and what belongs to it. */
  choose(mode) {
    for (const button of this.root.querySelectorAll("[data-mode]")) {
      const chosen = button.dataset.mode === mode;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    for (const panel of this.root.querySelectorAll("[data-panel]")) {
      panel.hidden = panel.dataset.panel !== mode;
    }
    document.getElementById(`tab_${this.tab}`).dataset.mode = mode;
    this.#remember();
  }

  #remember() {
    const states = Object.entries(this.frames).map(([name, frame]) => [name, frame.state()]);
    try {
      localStorage.setItem(KEPT(this.tab), JSON.stringify({ mode: this.mode, frames: Object.fromEntries(states) }));
    } catch {
      // more strokes than a browser keeps: they are lost at a reload
    }
  }

  async #restore() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(KEPT(this.tab)));
    } catch {
      // as if there was none
    }
    document.getElementById(`tab_${this.tab}`).dataset.mode = this.mode;
    for (const [name, state] of Object.entries(kept?.frames ?? {})) {
      if (state && this.frames[name]) {
        await this.frames[name].show(state.id, state.strokes).catch(() => null); // the others may still be there
      }
    }
    if (kept && this.root.querySelector(`[data-mode="${kept.mode}"]`)) {
      this.choose(kept.mode);
    }
  }

  /** What the form's fields of these names shall hold: the chosen mode, and the ids of its pictures. */
  async values() {
    const { mode } = this;
    const frame = this.frames[`${mode} image`];
    if (!frame.filled) {
      return { mode, image: "", mask: "" };
    }
    const second = this.frames[`${mode} mask`];
    if (second) {
      return { mode, image: frame.id, mask: second.id ?? "" };
    }
    return {
      mode,
      image: frame.draws === "colour" ? await frame.painted() : frame.id,
      mask: mode.startsWith("inpaint") ? await frame.mask() : "",
    };
  }
}

/** Make the frames of tab `tab` work as soon as they are there. */
export async function workCanvases(tab) {
  tabs[tab] = new Canvases(tab, await whenPresent(`[data-canvases="${tab}"]`));
}

/** Return what the fields `mode`, `image` and `mask` of a tab's form shall hold; null if it has no frames. */
export function canvasValues(tab) {
  return tabs[tab]?.values() ?? null;
}

/** Put a picture (a blob) into the frame of a mode of tab `tab`, and show it. */
export async function putPicture(tab, mode, blob) {
  await whenPresent(`[data-canvases="${tab}"]`);
  while (!tabs[tab]) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  tabs[tab].choose(mode);
  await tabs[tab].frames[`${mode} image`].setFile(blob);
}
