/** Light and dark: as the system has it, or as the reader chose; charts listen to the event `themechange`. */

const NAMES = { auto: "Auto", light: "Light", dark: "Dark" };
const NEXT = { auto: "light", light: "dark", dark: "auto" };

/** Set the theme and give the button its work. */
export function startTheme(button) {
  const stored = remembered();
  apply(stored in NAMES ? stored : "auto", button);
  button.addEventListener("click", () => apply(NEXT[document.documentElement.dataset.theme], button));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
}

function apply(theme, button) {
  document.documentElement.dataset.theme = theme;
  button.textContent = NAMES[theme];
  button.setAttribute("aria-label", `Theme: ${NAMES[theme]}. Change it.`);
  try {
    localStorage.setItem("theme", theme);
  } catch {
    /* storage may be forbidden; the choice then holds for this page */
  }
  tell();
}

function remembered() {
  try {
    return localStorage.getItem("theme") ?? "auto";
  } catch {
    return "auto";
  }
}

function tell() {
  dispatchEvent(new Event("themechange"));
}
