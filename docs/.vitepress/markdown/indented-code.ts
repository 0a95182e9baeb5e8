/** Code that is indented and not fenced, as most commands in the pages are, looks like fenced code without a language. */

import type { MarkdownRenderer } from "vitepress";

/** The plugin of markdown-it. */
export function indentedCode(md: MarkdownRenderer): void {
  md.renderer.rules.code_block = (tokens, i, options, env, self) => {
    tokens[i]!.info = "text";
    return md.renderer.rules.fence!(tokens, i, options, env, self);
  };
}
