import { putPicture } from "./canvas.js";
import { whenPresent } from "./dom.js";
import { base64Of, sendInfotext } from "./paste.js";
import { showTab } from "./send.js";
import { ask, toast } from "./server.js";

const ROUTE = "internal/png-info";
const LONGEST_TEXT = 20_000;

function cell(text, tag = "td") {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function row(...cells) {
  const element = document.createElement("tr");
  element.append(...cells);
  return element;
}

/** The tab: one picture and what it says. */
class PngInfo {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.file = null;
    this.info = "";
    this.#listen();
  }

  #listen() {
    const [drop, input] = [this.find(".pnginfo-drop"), this.find("input")];
    input.addEventListener("change", () => {
      this.#take(input.files);
      input.value = ""; // so that the same file can be chosen again
    });
    this.root.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
    this.root.addEventListener("dragleave", () => drop.classList.remove("over"));
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      this.#take(event.dataTransfer?.files);
    });
    document.addEventListener("paste", (event) => {
      if (this.root.checkVisibility()) {
        this.#take(event.clipboardData?.files);
      }
    });
    this.root.addEventListener("click", ({ target }) => {
      if (target.dataset.target) {
        this.#send(target.dataset.target).catch((error) => toast(error.message));
      } else if (target.dataset.act === "copy") {
        navigator.clipboard.writeText(this.info).catch((error) => toast(error.message));
      }
    });
  }

  #take(files) {
    const picture = [...(files ?? [])].find((file) => file.type.startsWith("image/"));
    if (picture) {
      this.show(picture);
    }
  }

  /** Show a picture file and what it says. */
  async show(file) {
    this.file = file;
    const picture = this.find("img");
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(file);
    picture.hidden = false;
    this.find(".pnginfo-hint").hidden = true;
    this.find(".pnginfo-file").textContent = file.name;
    this.find(".pnginfo-said").hidden = true;
    this.find(".pnginfo-send").hidden = true;
    try {
      const said = await ask(ROUTE, { body: { image: await base64Of(file) } });
      if (this.file === file) {
        this.#tell(said);
      }
    } catch (error) {
      this.find(".pnginfo-file").textContent = error.message;
    }
  }

  #tell({ program, info, fields, mapped, items }) {
    this.info = info;
    const silent = !info && !Object.keys(items).length;
    this.find(".pnginfo-file").textContent = silent ? `${this.file.name} does not say how it was made.` : this.file.name;
    this.find(".pnginfo-said").hidden = silent;
    this.find(".pnginfo-send").hidden = false;
    for (const button of this.root.querySelectorAll("[data-target]")) {
      button.hidden = button.dataset.target === "txt2img" && !info;
    }
    this.find(".pnginfo-program").hidden = !program;
    this.find(".pnginfo-program").textContent =
      `Made by ${program}. The infotext says as much of it as Easel understands; the picture may come out differently.`;
    this.find(".pnginfo-infotext").hidden = !info;
    this.find(".pnginfo-infotext .infotext-text").textContent = info;
    this.find(".pnginfo-fields").hidden = !fields.length;
    this.find(".pnginfo-fields tbody").replaceChildren(
      ...fields.map(([key, value]) => row(cell(key, "th"), cell(value))),
    );
    this.find(".pnginfo-mapped").hidden = !mapped.length;
    this.find(".pnginfo-mapped tbody").replaceChildren(...mapped.map((part) => this.#mapped(part)));
    this.#items(items);
  }

  #mapped({ source, value, target, how, note }) {
    const said = cell("");
    const mark = document.createElement("span");
    mark.className = `how how-${how}`;
    mark.textContent = how;
    said.append(mark, note ? ` ${note}` : "");
    return row(cell(source, "th"), cell(value), cell(target || "–"), said);
  }

  #items(items) {
    const holder = this.find(".pnginfo-items");
    const entries = Object.entries(items);
    holder.hidden = !entries.length;
    holder.replaceChildren(
      holder.firstElementChild,
      ...entries.map(([name, text]) => {
        const part = document.createElement("details");
        const words = document.createElement("pre");
        words.textContent = text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
        part.append(cell(name, "summary"), words);
        return part;
      }),
    );
  }

  async #send(target) {
    if (target === "txt2img") {
      showTab("txt2img");
      sendInfotext("txt2img", this.info);
      return;
    }
    showTab("img2img");
    await whenPresent("#img2img_paste");
    await putPicture("img2img", target, this.file);
    if (this.info) {
      sendInfotext("img2img", this.info);
    }
  }
}

/** Let pictures be read as soon as the tab is opened. */
export function showPngInfo() {
  whenPresent("#pnginfo_page").then((root) => new PngInfo(root));
}
