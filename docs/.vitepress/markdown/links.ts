/**
 * Links of the Markdown files, which are written for GitHub. On the site, a link to a file that is no page leads to the file's source page,
 * and a link to a folder's README.md leads to the folder's index. `src/ops/matmul.ts#matmul` leads to the line that defines `matmul`. GitHub
 * opens the file. So no page has a number of a line that an edit would make wrong.
 */

import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { MarkdownEnv, MarkdownRenderer } from "vitepress";
import { docs, repository } from "../build/folders.ts";
import { sourceAddress } from "../build/source-pages.ts";

/** Whether GitHub shows the page as the index of its folder. */
export const isGitHubIndex = (page: string): boolean => /(^|\/)README\.md$/.test(page);

/** The anchor that GitHub gives a heading. */
export const gitHubAnchor = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-");

/** The line of `file`, counted from 1, that exports `name` or begins the entry `"name":` of a table; undefined where there is none. */
export function definitionLine(file: string, name: string): number | undefined {
  const starts = [`export const ${name}`, `export function ${name}`, `  "${name}"`];
  const lines = readFileSync(file, "utf8").split("\n");
  const at = lines.findIndex((line) => starts.some((start) => line.startsWith(start) && !/^\w/.test(line.slice(start.length))));
  return at < 0 ? undefined : at + 1;
}

/** The address on the site for a link in a page that lies in `folder`; undefined for a link that stays as it is. */
export function siteLink(href: string, folder: string, base: string): { readonly href: string; readonly isSource: boolean } | undefined {
  // The API reference has addresses of source pages already.
  if (href.startsWith("/source/")) return { href: `${base}${href.slice(1)}`, isSource: true };
  const [path = "", anchor] = href.split("#");
  if (path === "" || /^([a-z]+:|\/)/i.test(href)) return undefined;
  const file = join(folder, path);
  const hash = anchor === undefined ? "" : `#${anchor}`;
  const inDocs = !relative(docs, file).startsWith("..");
  if (inDocs && (path.endsWith(".md") || path.endsWith("/"))) {
    return isGitHubIndex(path) ? { href: path.replace(/README\.md$/, "index.md") + hash, isSource: false } : undefined;
  }
  if (!existsSync(file) || !statSync(file).isFile()) return undefined;
  // A source page has anchors for its lines only.
  const line = anchor === undefined || /^L\d+$/.test(anchor) ? anchor?.slice(1) : definitionLine(file, anchor);
  return { href: `${base}${sourceAddress(relative(repository, file))}${line === undefined ? "" : `#L${line}`}`, isSource: true };
}

/** The plugin of markdown-it that replaces the links of a page. `base` is the folder of the site on its host. */
export function sourceLinks(md: MarkdownRenderer, base: string): void {
  md.core.ruler.push("source-links", ({ tokens, env }) => {
    const { path, relativePath } = env as MarkdownEnv;
    const folder = dirname(path ?? join(docs, relativePath ?? ""));
    for (const inline of tokens)
      for (const token of inline.children ?? []) {
        const href = token.type === "link_open" ? token.attrGet("href") : null;
        const link = href === null ? undefined : siteLink(decodeURI(href), folder, base);
        if (link === undefined) continue;
        token.attrSet("href", link.href);
        // VitePress follows a link with a target as an ordinary link and not as one of its pages.
        if (link.isSource) token.attrSet("target", "_self");
      }
  });
}
