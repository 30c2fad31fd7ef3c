import { previewAddress } from "./cards.js";
import { base64Of } from "./paste.js";
import { ask, toast } from "./server.js";

const FIELDS = ["description", "sd_version", "activation_text", "preferred_weight", "negative_text", "notes", "vae"];
const MAX_TAGS = 40;

let current = null;

const dialog = () => document.getElementById("card_dialog");
const part = (name) => dialog().querySelector(`.card-${name}`);

function bytes(size) {
  const units = ["bytes", "KB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, size)) / 3));
  return `${(size / 1000 ** power).toFixed(power > 1 ? 1 : 0)} ${units[power]}`;
}

function showFacts(details) {
  const kind = [details.algorithm || details.kind, details.rank && `rank ${details.rank}`].filter(Boolean).join(", ");
  const facts = {
    File: details.file,
    Kind: kind,
    Family: details.family,
    "Base model": details.base_model,
    Resolution: details.resolution,
    Size: bytes(details.size),
    Modified: new Date(details.modified * 1000).toLocaleString(),
    Hash: details.short_hash,
    SHA256: details.sha256,
    ...details.specification,
  };
  const rows = Object.entries(facts).filter(([, fact]) => fact);
  part("facts").replaceChildren(
    ...rows.flatMap(([name, fact]) => {
      const [term, words] = [document.createElement("dt"), document.createElement("dd")];
      [term.textContent, words.textContent] = [name, fact];
      return [term, words];
    }),
  );
}

/** Show words as buttons that add them to the activation text. */
function showWords(name, words) {
  part(name).hidden = words.length === 0;
  part(name).querySelector("p").replaceChildren(
    ...words.map(([word, count]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = count ? `${word} ${count}` : word;
      button.dataset.word = word;
      return button;
    }),
  );
}

function addWord(word) {
  const field = dialog().querySelector("[name=activation_text]");
  const words = field.value.split(",").map((known) => known.trim());
  if (!words.includes(word)) {
    field.value = [...words.filter(Boolean), word].join(", ");
  }
}

function showPreview(card) {
  const picture = part("preview");
  picture.hidden = !card.preview;
  if (card.preview) {
    picture.src = previewAddress(current.kind, card);
  }
}

async function offerVaes() {
  const vaes = await ask("sdapi/v1/sd-vae");
  const names = ["Automatic", "None", ...vaes.map((vae) => vae.model_name)];
  document.getElementById("card_vaes").replaceChildren(...names.map((name) => new Option("", name)));
}

/** Open the dialog about a model for tab `tab`; `onChange` is told its new card whenever something is saved. */
export async function openDetails(tab, kind, card, onChange) {
  listen();
  let details;
  try {
    details = await ask("sd_extra_networks/details", { query: { kind, name: card.name } });
    if (kind === "checkpoint") {
      await offerVaes();
    }
  } catch (error) {
    toast(error.message);
    return;
  }
  current = { tab, kind, name: card.name, onChange };
  document.getElementById("card_dialog_title").textContent = details.title || details.name;
  part("warning").textContent = details.warning;
  part("warning").hidden = !details.warning;
  part("error").textContent = "";
  for (const name of FIELDS) {
    const field = dialog().querySelector(`[name=${name}]`);
    if (field.options && ![...field.options].some((option) => option.value === details.notes[name])) {
      field.add(new Option(details.notes[name])); // another program's word for it
    }
    field.value = details.notes[name];
    field.closest(".card-field").hidden = !(field.closest("[data-kinds]")?.dataset.kinds ?? kind).split(" ").includes(kind);
  }
  dialog().querySelector("[name=description]").placeholder = details.description;
  showWords("words", details.trigger_words.map((word) => [word, 0]));
  showWords("tags", details.tags.slice(0, MAX_TAGS));
  showFacts(details);
  showPreview(card);
  dialog().querySelector("[data-act=preview]").disabled = !chosenPicture();
  current.before = JSON.stringify(notesNow());
  dialog().showModal();
}

function chosenPicture() {
  return document.querySelector(`#${current.tab}_gallery [data-testid=detailed-image]`)?.src;
}

function notesNow() {
  const notes = {};
  for (const name of FIELDS) {
    const { value } = dialog().querySelector(`[name=${name}]`);
    notes[name] = name === "preferred_weight" ? Number(value) : value;
  }
  return notes;
}

/** Whether something was written that is not saved. */
const isChanged = () => JSON.stringify(notesNow()) !== current.before;

async function save() {
  const { kind, name, onChange } = current;
  onChange(await ask("sd_extra_networks/notes", { body: { kind, name, notes: notesNow() } }));
  dialog().close();
}

async function replacePreview() {
  const { kind, name, onChange } = current;
  const image = await base64Of(await (await fetch(chosenPicture())).blob());
  const card = await ask("sd_extra_networks/preview", { body: { kind, name, image } });
  onChange(card);
  showPreview(card);
}

let listening = false;

function listen() {
  if (listening) {
    return;
  }
  listening = true;
  const actions = { close: () => dialog().close(), save, preview: replacePreview };
  // Beside it; not when a text is selected with the mouse and released there.
  dialog().addEventListener("pointerdown", ({ target }) => target === dialog() && !isChanged() && dialog().close());
  dialog().addEventListener("click", async (event) => {
    const { target } = event;
    if (target.dataset.word !== undefined) {
      addWord(target.dataset.word);
    } else if (target.dataset.act) {
      event.preventDefault();
      try {
        await actions[target.dataset.act]();
      } catch (error) {
        part("error").textContent = error.message;
      }
    }
  });
}
