/**
 * A page of its own for every source file, with an anchor for each line: `source/src/ops/matmul.ts.html#L30`. They are plain HTML and no
 * pages of VitePress, so that hundreds of them cost the build a moment and the search index nothing.
 */

import { readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Plugin } from "vitepress";
import { repository } from "./folders.ts";
import { playgroundFolder } from "./playground.ts";

/** The address of a file's page, relative to the base of the site. */
export const sourceAddress = (file: string): string => `source/${file}.html`;

/** The files that have a page, relative to the repository. */
export function sourceFiles(): readonly string[] {
  const below = (folder: string): string[] =>
    readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/node_modules|generated|fixtures/.test(entry.parentPath))
      .map((entry) => join(entry.parentPath, entry.name).slice(repository.length + 1));
  const text = /\.(ts|mts|mjs|json|jsonl|md|sh|svg|txt)$/;
  const written = `docs/public/${playgroundFolder}/`;
  const inDocs = below("docs").filter((file) => !file.endsWith(".md") && !/^docs\/\.|package-lock/.test(file) && !file.startsWith(written));
  const atRoot = readdirSync(repository).filter((file) => file.endsWith(".md"));
  return [...["src", "examples", "test"].flatMap(below), ...inDocs, ...atRoot, "LICENSE"].filter(
    (file) => text.test(file) || file === "LICENSE",
  );
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const style = `:root{color-scheme:light dark}body{margin:0;font:14px/1.5 ui-monospace,monospace;background:light-dark(#fff,#1b1b1f);
color:light-dark(#24292f,#dfdfd6)}header{padding:12px 16px;border-bottom:1px solid light-dark(#d0d7de,#3c3f44)}
a{color:light-dark(#3451b2,#a8b1ff)}pre{margin:0;padding:12px 0;overflow-x:auto;tab-size:2}
pre a{display:inline-block;width:5ch;padding:0 1.5ch 0 1ch;text-align:right;text-decoration:none;color:light-dark(#656d76,#98989f)}
pre span:target{background:light-dark(#fff8c5,#3b3a1f)}`.replaceAll("\n", "");

/** The page of a file. */
function sourcePage(file: string, base: string): string {
  const lines = readFileSync(join(repository, file), "utf8").trimEnd().split("\n");
  const numbered = lines.map((line, i) => `<span id="L${i + 1}"><a href="#L${i + 1}">${i + 1}</a>${escaped(line)}</span>`);
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">`,
    `<title>${file} · separable</title><style>${style}</style></head>`,
    `<body><header><a href="${base}">separable</a> / ${file}</header><main><pre tabindex="0">${numbered.join("\n")}</pre></main></body></html>`,
  ].join("\n");
}

/** Writes the pages of all source files below `out`. */
export async function writeSourcePages(out: string, base: string): Promise<void> {
  for (const file of sourceFiles()) {
    const path = join(out, sourceAddress(file));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, sourcePage(file, base));
  }
}

/** The plugin of Vite that serves the pages in `docs:dev`. */
export function sourcePages(base: string): Plugin {
  return {
    name: "source-pages",
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = decodeURI(new URL(request.url ?? "/", "http://localhost").pathname);
        const file = sourceFiles().find((name) => path.endsWith(`/${sourceAddress(name)}`));
        if (file === undefined) next();
        else response.writeHead(200, { "Content-Type": "text/html" }).end(sourcePage(file, base));
      });
    },
  };
}
