import { putPicture } from "./canvas.js";
import { whenPresent } from "./dom.js";
import { chosenPicture } from "./generation.js";
import { sendInfotext } from "./paste.js";
import { toast } from "./server.js";

/** Show the tab `name` of the page; what is written on it depends on the language. */
export function showTab(name) {
  document.getElementById(`tab_${name}-button`)?.click();
}

function infotextOf(tab) {
  const info = document.querySelector(`#generation_info_${tab} textarea, #generation_info_${tab} input`)?.value;
  return info ? (JSON.parse(info).infotexts[chosenPicture(tab)] ?? "") : "";
}

/** Send the chosen picture of tab `from`, and how it was made, to a mode of the img2img tab. */
async function sendPicture(from, mode) {
  const source = document.querySelector(`#${from}_gallery [data-testid=detailed-image]`)?.src;
  if (!source) {
    toast("There is no picture to send yet.");
    return;
  }
  const [picture, infotext] = [await (await fetch(source)).blob(), infotextOf(from)];
  showTab("img2img");
  await whenPresent("#img2img_paste");
  await putPicture("img2img", mode, picture);
  if (infotext && from !== "img2img") {
    sendInfotext("img2img", infotext);
  }
}

/** Let the buttons below the pictures of tab `tab` send them to other tabs. */
export function sendPicturesOf(tab) {
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.(`#image_buttons_${tab} [data-send]`);
    if (button) {
      sendPicture(tab, button.dataset.send).catch((error) => toast(error.message));
    }
  });
}
