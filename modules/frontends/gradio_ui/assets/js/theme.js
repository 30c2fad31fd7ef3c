/** Switch between the light and the dark page, and remember the choice in this browser. */
export function toggleTheme() {
  const dark = document.body.classList.toggle("dark");
  localStorage.setItem("easel.theme", dark ? "dark" : "light");
}
