/** Code blocks that a reader runs on the page: ```` ```ts run ````, and the block ```` ```text output ```` after it with what it prints. */

import type { MarkdownRenderer } from "vitepress";

/** The plugin of markdown-it that puts the component `Cell` around each runnable block and its output. */
export function runnableCells(md: MarkdownRenderer): void {
  const fence = md.renderer.rules.fence!;
  const isOutput = (info: string | undefined): boolean => info?.trim() === "text output";
  md.renderer.rules.fence = (tokens, i, ...rest) => {
    const html = fence(tokens, i, ...rest);
    const { info } = tokens[i]!;
    if (/^ts run\b/.test(info)) return isOutput(tokens[i + 1]?.info) ? `<Cell>${html}` : `<Cell>${html}</Cell>`;
    if (!isOutput(info)) return html;
    const printed = `<template #output><div class="stated-output">${html}</div></template>`;
    return /^ts run\b/.test(tokens[i - 1]?.info ?? "") ? `${printed}</Cell>` : `<div class="stated-output">${html}</div>`;
  };
}
