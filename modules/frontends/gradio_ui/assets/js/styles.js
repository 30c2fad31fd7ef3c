import { ask } from "./server.js";

const dialog = () => document.getElementById("styles_dialog");
const field = (name) => dialog().querySelector(`[name=${name}]`);

let tab = "txt2img";
let known = [];

async function readStyles() {
  known = await ask("sdapi/v1/prompt-styles");
  document.getElementById("styles_known").replaceChildren(...known.map(({ name }) => new Option("", name)));
}

function show(name) {
  const style = known.find((each) => each.name === name);
  if (style) {
    field("prompt").value = style.prompt;
    field("negative_prompt").value = style.negative_prompt;
  }
  dialog().querySelector("[data-act=delete]").disabled = !style;
}

async function open(name) {
  tab = name;
  await readStyles();
  dialog().querySelector(".card-error").textContent = "";
  const chosen = document.querySelector(`#${tab}_styles .token`)?.textContent.trim() ?? "";
  for (const [part, value] of [["name", chosen], ["prompt", ""], ["negative_prompt", ""]]) {
    field(part).value = value;
  }
  show(chosen);
  dialog().showModal();
}

/** Let the drop-downs of all tabs that are there offer the styles as they are now. */
function tellTabs() {
  document.querySelectorAll("[id$=_styles_changed]").forEach((button) => button.click());
}

const actions = {
  close: () => dialog().close(),
  copy: () => {
    field("prompt").value = document.querySelector(`#${tab}_prompt textarea`).value;
    field("negative_prompt").value = document.querySelector(`#${tab}_neg_prompt textarea`).value;
  },
  save: async () => {
    const body = Object.fromEntries(["name", "prompt", "negative_prompt"].map((name) => [name, field(name).value]));
    await ask("internal/styles", { body });
    tellTabs();
    dialog().close();
  },
  delete: async () => {
    await ask("internal/styles/delete", { body: { name: field("name").value } });
    tellTabs();
    dialog().close();
  },
};

/** Let the buttons "Edit styles" open the dialog. */
export function editStyles() {
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("[id$=_styles_edit_button]");
    const act = target.closest?.("#styles_dialog [data-act]")?.dataset.act;
    try {
      if (button) {
        await open(button.id.replace("_styles_edit_button", ""));
      } else if (act) {
        await actions[act]();
      }
    } catch (error) {
      dialog().querySelector(".card-error").textContent = error.message;
    }
  });
  document.addEventListener("input", ({ target }) => target.closest?.("#styles_dialog [name=name]") && show(target.value));
}
