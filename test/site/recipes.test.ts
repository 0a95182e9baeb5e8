/** The recipes of docs/browser.md, as they are written there, in Chromium: with esbuild, and with an import map and no bundler. */

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromium as executablePath } from "../../vitest.config.ts";
import { missingChromium, type PageServer, type Resource, servePages } from "../browser/serve-page.ts";
import { root } from "./built-site.ts";

const page = await readFile(join(root, "docs/browser.md"), "utf8");
/** The block with this language after a heading. */
const block = (heading: string, language: string): string =>
  new RegExp(`^## ${heading}$.*?^\`\`\`${language}\n(.*?)^\`\`\`$`, "ms").exec(page)![1]!;
/** The two headers that the page tells a reader to send. */
const isolation = Object.fromEntries(
  block("Threads: isolation headers", "text")
    .trim()
    .split("\n")
    .map((line) => line.split(": ") as [string, string]),
);

describe.skipIf(missingChromium !== undefined)("a recipe", () => {
  let folder: string;
  let server: PageServer;
  let browser: Browser;
  const pages = new Map<string, Resource>();

  beforeAll(async () => {
    folder = await mkdtemp(join(root, "node_modules/.recipes-"));
    await writeFile(join(folder, "main.ts"), /^```ts\n(.*?)^```$/ms.exec(page)![1]!);
    const [, command] = /^ {4}npx esbuild (.*)$/m.exec(page)!;
    await promisify(execFile)(join(root, "node_modules/.bin/esbuild"), command!.split(" "), { cwd: folder });
    const script: Resource = { type: "text/javascript", body: await readFile(join(folder, "main.js")), headers: isolation };
    pages.set("/main.js", script);
    pages.set("/plain", { type: "text/html", body: block("esbuild", "html") });
    pages.set("/isolated", { type: "text/html", body: block("esbuild", "html"), headers: isolation });
    pages.set("/import-map", { type: "text/html", body: block("A plain script", "html") });
    // The packages of this clone, as a server at the root of a project serves them.
    const installed = (path: string): Resource | undefined => {
      const file = join(root, path.replace("/node_modules/separable/", "/"));
      return path.startsWith("/node_modules/") && existsSync(file) ? { type: "text/javascript", body: readFileSync(file) } : undefined;
    };
    server = await servePages((path) => pages.get(path) ?? installed(path));
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] });
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test.each([
    { path: "/plain", threads: /^wasm 1 4 6$/ },
    { path: "/isolated", threads: /^wasm ([2-9]|\d\d) 4 6$/ },
  ])("with esbuild runs on $path", async ({ path, threads }) => {
    const tab = await browser.newPage();
    // The page has no icon, and Chromium may say so first.
    const line = tab.waitForEvent("console", (message) => message.type() === "log");
    await tab.goto(server.origin + path);
    expect((await line).text()).toMatch(threads);
    await tab.close();
  });

  test("with an import map needs no bundler", async () => {
    const tab = await browser.newPage();
    await tab.goto(`${server.origin}/import-map`);
    await tab.waitForFunction(() => document.title === "4 6");
    await tab.close();
  });
});
