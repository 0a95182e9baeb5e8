/** The theme of the site: VitePress's own, formulas, runnable code, and the console. */

import "katex/dist/katex.min.css";
import "./style.css";
import type { Theme } from "vitepress";
import DefaultTheme from "vitepress/theme";
import Cell from "./Cell.vue";
import Repl from "./Repl.vue";
import SiteLink from "./SiteLink.vue";

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => {
    app.component("Cell", Cell);
    app.component("Repl", Repl);
    app.component("SiteLink", SiteLink);
  },
} satisfies Theme;
