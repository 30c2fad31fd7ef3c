/** Two pictures on top of each other, and a slider that says how much of each is seen. */
import { pictureAddress } from "./history.js";

function once(root) {
  if (root.dataset.ready) {
    return;
  }
  root.dataset.ready = "yes";
  const slider = root.querySelector("input");
  slider.addEventListener("input", () => root.style.setProperty("--share", `${slider.value}%`));
  root.addEventListener("keydown", (event) => event.stopPropagation());
  root.addEventListener("click", ({ target }) => {
    if (target === root || target.closest("[data-act=close]")) {
      root.close();
    }
  });
}

/** Compare two pictures, each `{run, number}`. */
export function compare(left, right) {
  const root = document.getElementById("compare_dialog");
  once(root);
  const names = root.querySelectorAll(".compare-name");
  [left, right].forEach(({ run, number }, index) => {
    const picture = root.querySelector(index === 0 ? ".compare-left" : ".compare-right");
    picture.src = pictureAddress(run.id, number);
    picture.alt = run.prompt || "Picture without a prompt";
    names[index].textContent = `${run.seed} · ${run.prompt}`;
  });
  const slider = root.querySelector("input");
  slider.value = 50;
  root.style.setProperty("--share", "50%");
  root.showModal();
  slider.focus();
}
