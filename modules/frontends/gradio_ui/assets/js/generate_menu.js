import { generateForever, generatesForever } from "./generation.js";

let menu = null;

function close() {
  menu?.remove();
  menu = null;
}

function open(tab, x, y) {
  close();
  menu = document.createElement("div");
  menu.className = "generate-menu";
  menu.setAttribute("role", "menu");
  const choice = document.createElement("button");
  choice.type = "button";
  choice.setAttribute("role", "menuitem");
  const on = generatesForever(tab);
  choice.textContent = on ? "Cancel generate forever" : "Generate forever";
  choice.addEventListener("click", () => (close(), generateForever(tab, !on)));
  menu.append(choice);
  menu.style.left = `${Math.min(x, window.innerWidth - 220)}px`;
  menu.style.top = `${y}px`;
  document.querySelector(".gradio-container").append(menu);
  choice.focus();
}

/** Offer what A1111 offers at a right click (or the menu key) on Generate. */
export function offerGenerateMenu() {
  document.addEventListener("contextmenu", (event) => {
    const box = event.target.closest?.(".generate-box");
    if (box) {
      event.preventDefault();
      const seen = box.getBoundingClientRect();
      open(box.id.replace("_generate_box", ""), event.clientX || seen.left, event.clientY || seen.bottom);
    }
  });
  document.addEventListener("pointerdown", ({ target }) => !target.closest?.(".generate-menu") && close());
  document.addEventListener("keydown", ({ key }) => key === "Escape" && close());
}
