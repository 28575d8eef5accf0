/** Light and dark: the system's wish, until the switch says otherwise (kept by the browser). */

const KEY = "headrace.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners: (() => void)[] = [];

export type Theme = "light" | "dark";

export function current(): Theme {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "light" || chosen === "dark") return chosen;
  return dark.matches ? "dark" : "light";
}

/** Called after each change: canvases have to be drawn anew. */
export function onChange(listener: () => void): void {
  listeners.push(listener);
}

export function install(button: HTMLElement): void {
  const apply = () => {
    const theme = current();
    document.documentElement.dataset.theme = theme;
    button.setAttribute("aria-checked", String(theme === "dark"));
    for (const listener of listeners) listener();
  };
  button.addEventListener("click", () => {
    localStorage.setItem(KEY, current() === "dark" ? "light" : "dark");
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
}

/** The value of a colour token, for canvases. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
