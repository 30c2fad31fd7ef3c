import { ask, toast } from "./server.js";

const infotexts = {};

/** Called by Gradio when a form is to be filled: the infotext that was sent, once; null for the one in the prompt. */
export function pasted(tab) {
  const given = infotexts[tab] ?? null;
  delete infotexts[tab];
  return given;
}

/** Fill the form of tab `tab` from an infotext. */
export function sendInfotext(tab, text) {
  infotexts[tab] = text;
  document.getElementById(tab === "txt2img" ? "paste" : `${tab}_paste`).click();
}

/** Return a promise of a file in base64. */
export function base64Of(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.split(",")[1]));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

async function readPicture(tab, file) {
  try {
    const { info } = await ask("internal/png-info", { body: { image: await base64Of(file) } });
    if (info) {
      sendInfotext(tab, info);
    } else {
      toast(`${file.name} does not say how it was made.`);
    }
  } catch (error) {
    toast(error.message);
  }
}

/** Fill the form of tab `name` from a picture that is dropped on, or pasted into, one of its prompts. */
export function takeDroppedPictures(name) {
  const prompts = `#${name}_prompt, #${name}_neg_prompt`;
  const take = (event, files) => {
    const picture = [...(files ?? [])].find((file) => file.type.startsWith("image/"));
    if (event.target.closest?.(prompts) && picture) {
      event.preventDefault();
      readPicture(name, picture);
    }
  };
  document.addEventListener("dragover", (event) => event.target.closest?.(prompts) && event.preventDefault());
  document.addEventListener("drop", (event) => take(event, event.dataTransfer?.files));
  document.addEventListener("paste", (event) => take(event, event.clipboardData?.files));
}
