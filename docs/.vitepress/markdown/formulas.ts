/** Formulas in TeX between dollar signs, set by KaTeX when the site is built. */

import { katex } from "@mdit/plugin-katex";
import type { MarkdownRenderer } from "vitepress";

/** The plugin of markdown-it. Vue would read `{{` in a formula's TeX, which stays in the page for screen readers, so formulas are `v-pre`. */
export function formulas(md: MarkdownRenderer): void {
  const transformer = (html: string): string => html.replace(/^<(\w+)/, "<$1 v-pre");
  // The two packages have different versions of the types of markdown-it.
  katex(md as unknown as Parameters<typeof katex>[0], { transformer });
}
