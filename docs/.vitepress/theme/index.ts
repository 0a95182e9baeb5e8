/** The theme of the site: VitePress's own, formulas, and runnable code. */

import "katex/dist/katex.min.css";
import "./style.css";
import type { Theme } from "vitepress";
import DefaultTheme from "vitepress/theme";
import Cell from "./Cell.vue";

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => {
    app.component("Cell", Cell);
  },
} satisfies Theme;
