/**
 * Puts the pictures of the folders named `pictures` into the page itself, where they have the colours of the page: the reader's choice of
 * light or dark does not reach an image file.
 */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { MarkdownEnv, MarkdownRenderer } from "vitepress";
import { docs } from "../build/folders.ts";

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** The plugin of markdown-it. */
export function inlinePictures(md: MarkdownRenderer): void {
  const image = md.renderer.rules.image!;
  md.renderer.rules.image = (tokens, i, options, env: MarkdownEnv, self) => {
    const { content, attrGet } = tokens[i]!;
    const source = attrGet.call(tokens[i], "src") ?? "";
    if (!/(^|\/)pictures\/[\w-]+\.svg$/.test(source)) return image(tokens, i, options, env, self);
    const svg = readFileSync(join(dirname(env.path ?? join(docs, env.relativePath ?? "")), source), "utf8");
    // The sheet of the page has the colours. The label replaces the title, which browsers show as a tooltip.
    const drawn = svg
      .replace(/<style>.*?<\/style>/s, "")
      .replace(/<title>.*?<\/title>/s, "")
      .replaceAll("\n", "");
    return drawn.replace("<svg ", `<svg v-pre aria-label="${escaped(content)}" `);
  };
}
