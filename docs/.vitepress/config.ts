/** The configuration of the site. Its root is the folder `docs`: the pages are the Markdown files that GitHub shows too. */

import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";
import { sourcePages } from "./build/source-pages.ts";
import { formulas } from "./markdown/formulas.ts";
import { indentedCode } from "./markdown/indented-code.ts";
import { inlinePictures } from "./markdown/inline-pictures.ts";
import { gitHubAnchor, isGitHubIndex, sourceLinks } from "./markdown/links.ts";
import { runnableCells } from "./markdown/runnable-cells.ts";
import { navigation, sidebar } from "./navigation.ts";

const source = (file: string): string => fileURLToPath(new URL(`../../src/${file}`, import.meta.url));

/** The folder of the site on its host, with a slash at both ends: `DOCS_BASE=/separable/ npm run docs:build`. */
const base = process.env.DOCS_BASE ?? "/";

export default defineConfig({
  title: "separable",
  description: "Tensors, reverse-mode autograd and structured layers in TypeScript that you can read.",
  lang: "en",
  base,
  head: [["link", { rel: "icon", type: "image/svg+xml", href: `${base}favicon.svg` }]],
  srcExclude: ["node_modules/**"],
  // GitHub shows a folder's README.md, and a web server shows its index.html.
  rewrites: (page) => (isGitHubIndex(page) ? page.replace(/README\.md$/, "index.md") : page),
  ignoreDeadLinks: false,
  lastUpdated: false,
  markdown: {
    anchor: { slugify: gitHubAnchor },
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    config: (md) => {
      md.use(formulas);
      md.use(indentedCode);
      md.use(sourceLinks, base);
      md.use(runnableCells);
      md.use(inlinePictures);
    },
  },
  themeConfig: {
    nav: navigation,
    sidebar,
    outline: [2, 3],
    search: { provider: "local" },
    docFooter: { prev: "Before", next: "Next" },
  },
  vite: {
    resolve: { alias: [{ find: /^separable$/, replacement: source("index.ts") }] },
    plugins: [sourcePages(base)],
    worker: { format: "es" },
    // The library's kernels are one large string, which is loaded when a cell runs.
    build: { target: "es2022", chunkSizeWarningLimit: 2000 },
    // The console prints the names of functions and classes.
    esbuild: { target: "es2022", keepNames: true },
  },
});
