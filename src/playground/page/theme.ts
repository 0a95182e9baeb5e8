/** Light or dark: what the system says, until the visitor chooses. */

import { h } from "./dom.ts";

const key = "separable-theme";
type Theme = "light" | "dark";

const stored = (): Theme | undefined => {
  try {
    const value = localStorage.getItem(key);
    return value === "light" || value === "dark" ? value : undefined;
  } catch {
    // A page without storage follows the system.
    return undefined;
  }
};

/** The button that changes the theme. @param onChange Is called after a change, so that canvases are drawn again. */
export function themeButton(onChange: () => void): HTMLElement {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = (): void => {
    document.documentElement.dataset.theme = stored() ?? (system.matches ? "dark" : "light");
    onChange();
  };
  system.addEventListener("change", apply);
  apply();
  const press = (): void => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(key, next);
      apply();
    } catch {
      document.documentElement.dataset.theme = next;
      onChange();
    }
  };
  return h("button", { type: "button", class: "quiet icon", "aria-label": "Light or dark", title: "Light or dark", click: press }, "◐");
}
