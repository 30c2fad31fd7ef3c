"use strict";
// Runs before anything is painted: the colours a person chose, or `--theme` asked for, go before the browser's own.
{
  const forced = document.querySelector('meta[name="easel-theme"]')?.content;
  const wanted = forced || localStorage.getItem("easel.theme");
  if (wanted) {
    document.body.classList.toggle("dark", wanted === "dark");
  }
}
