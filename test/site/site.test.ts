/** The site as a visitor has it: it builds without warnings, every link leads somewhere, and its pages work in a browser. */

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shippedNetwork } from "../../src/playground/labs/structure-lens/shipped-network.ts";
import { chromium as executablePath } from "../../vitest.config.ts";
import { missingChromium } from "../browser/serve-page.ts";
import { type BuiltSite, buildSite, missingPackages, root } from "./built-site.ts";

if (missingPackages !== undefined) console.warn(`tests of the site skipped: ${missingPackages}`);

let site: BuiltSite;
beforeAll(async () => {
  if (missingPackages === undefined) site = await buildSite();
}, 600_000);
afterAll(() => site?.close());

/** The pages that VitePress makes. The pages of source files and of the playground are plain HTML. */
const written = (): string[] => [...site.pages.keys()].filter((path) => !/^\/(source|try)\//.test(path));

describe.skipIf(missingPackages !== undefined)("the site", () => {
  test("is built without a warning, and its programs have no error of types", async () => {
    expect(site.warnings).toBe("");
    await promisify(execFile)(join(root, "node_modules/.bin/tsc"), ["-p", "docs/tsconfig.json"], { cwd: root });
  });

  test("has a page for every Markdown file of docs, and for every layer of the library", () => {
    const paths = written();
    for (const path of ["/index.html", "/start.html", "/course/index.html", "/families/monarch.html", "/api/ops.html", "/404.html"])
      expect(paths).toContain(path);
    expect(paths.length).toBeGreaterThan(80);
  });

  test("has no link that leads nowhere, and no anchor that is not there", () => {
    const ids = new Map([...site.pages].map(([path, html]) => [path, new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id!))]));
    const dead: string[] = [];
    let count = 0;
    for (const [path, html] of site.pages)
      for (const [, href] of html.matchAll(/<a\s[^>]*?href="([^"]+)"/g)) {
        if (/^[a-z]+:/.test(href!)) continue;
        const { pathname, hash } = new URL(href!.replaceAll("&amp;", "&"), `http://site${path}`);
        const target = decodeURI(pathname).replace(/\/$/, "/index.html");
        count += 1;
        const anchors = ids.get(target);
        if (!site.files.has(target) || (hash !== "" && anchors !== undefined && !anchors.has(decodeURIComponent(hash.slice(1)))))
          dead.push(`${path} → ${href}`);
      }
    expect(count).toBeGreaterThan(5000);
    expect([...new Set(dead)]).toEqual([]);
  });

  test("is not in the npm package", async () => {
    const { files } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { files: string[] };
    expect(files.filter((file) => file.startsWith("docs"))).toEqual([]);
  });
});

describe.skipIf(missingPackages !== undefined || missingChromium !== undefined)("in Chromium", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] });
  });
  afterAll(() => browser?.close());

  /** A new tab whose errors are added to `problems`. */
  async function open(problems: string[], options: Parameters<Browser["newPage"]>[0] = {}): Promise<Page> {
    const page = await browser.newPage(options);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) problems.push(`${page.url()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => problems.push(`${page.url()}: ${error.message}`));
    return page;
  }

  test("the pages have no errors, and none is wider than a phone of 390 pixels", async () => {
    const problems: string[] = [];
    const page = await open(problems, { viewport: { width: 390, height: 844 } });
    // One program or one plan makes the pages of these folders, so one of each is opened. SITE_PAGES=all opens all.
    const alike = /^\/(api|decisions|interchange|derivations|families)\//;
    const opened = new Set<string>();
    for (const path of written()) {
      const kind = alike.exec(path)?.[1] ?? path;
      if (opened.has(kind) && process.env.SITE_PAGES !== "all") continue;
      opened.add(kind);
      await page.goto(site.origin + path);
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (excess > 0) problems.push(`${path}: ${excess} pixels too wide`);
    }
    await page.close();
    expect(problems).toEqual([]);
  });

  test.each(["light", "dark"] as const)("axe finds no serious fault on the main pages, %s", async (colorScheme) => {
    const axe = await readFile(join(root, "docs/node_modules/axe-core/axe.min.js"), "utf8");
    const problems: string[] = [];
    const page = await open(problems, { viewport: { width: 1280, height: 900 }, colorScheme });
    for (const path of [
      "/",
      "/start.html",
      "/course/3-graph.html",
      "/families/tensor-train.html",
      "/how-kernels-work.html",
      "/repl.html",
      "/api/tape.html",
    ]) {
      await page.goto(site.origin + path);
      await page.evaluate(axe);
      const faults = await page.evaluate(async () => {
        const { axe } = globalThis as unknown as {
          axe: {
            run(context: { exclude: string[][] }): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
          };
        };
        // The button of the search is VitePress's. Its label leaves out the keys that are written on it.
        const { violations } = await axe.run({ exclude: [[".DocSearch-Button"]] });
        const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" … ")}`);
      });
      problems.push(...faults.map((fault) => `${path}: ${fault}`));
    }
    await page.close();
    expect(problems).toEqual([]);
  });

  test("every cell prints on the page what the page says", async () => {
    const problems: string[] = [];
    const page = await open(problems);
    let count = 0;
    for (const path of written().filter((each) => site.pages.get(each)!.includes('class="cell"'))) {
      await page.goto(site.origin + path);
      for (const cell of await page.locator(".cell").all()) {
        const stated = await cell.locator(".stated-output code").textContent();
        await cell.getByRole("button", { name: "Run" }).click();
        await cell.getByRole("button", { name: "Run" }).waitFor();
        const printed = await cell.getByRole("status").textContent();
        if (printed?.trimEnd() !== stated?.trimEnd()) problems.push(`${path}: printed ${printed}, stated ${stated}`);
        count += 1;
      }
    }
    await page.close();
    expect(problems).toEqual([]);
    expect(count).toBeGreaterThan(15);
  });

  test("a reader changes a cell, runs it, stops an endless one, and takes the changes back", async () => {
    const problems: string[] = [];
    const page = await open(problems);
    await page.goto(`${site.origin}/course/1-multiplication.html`);
    const cell = page.locator(".cell").first();
    await cell.getByRole("button", { name: "Edit" }).click();
    const editor = cell.getByRole("textbox");
    await editor.fill((await editor.inputValue()).replace("tensor(3)", "tensor(5)"));
    await editor.press("Control+Enter");
    await cell.getByText("z = 20").waitFor();
    await editor.fill('console.log("before"); for (;;);');
    await editor.press("Control+Enter");
    await cell.getByText("before").waitFor();
    await cell.getByRole("button", { name: "Stop" }).click();
    await cell.getByRole("button", { name: "Run" }).waitFor();
    await editor.fill('import { readFile } from "node:fs"; console.log(readFile);');
    await editor.press("Control+Enter");
    await cell.getByText("this page can import separable, not node:fs").waitFor();
    await cell.getByRole("button", { name: "Undo my changes" }).click();
    await cell.getByText("const x = tensor(3);").waitFor();
    await page.close();
    expect(problems).toEqual([]);
  });

  test("the console keeps variables, awaits, prints tensors, explains errors, recalls entries, stops and begins anew", async () => {
    const problems: string[] = [];
    const page = await open(problems, { viewport: { width: 390, height: 844 } });
    await page.goto(`${site.origin}/repl.html`);
    const log = page.getByRole("log", { name: "Entries and results" });
    const entry = page.getByRole("textbox", { name: "Entry" });
    const ready = (): Promise<void> => page.getByRole("button", { name: "Run" }).waitFor();
    const start = async (text: string): Promise<number> => {
      const before = await log.locator("pre").count();
      await entry.fill(text);
      await entry.press("Enter");
      await log.locator("pre").nth(before).waitFor();
      return before + 1;
    };
    /** Runs an entry, and gives what it adds to the log. */
    const enter = async (text: string): Promise<string[]> => {
      await ready();
      const first = await start(text);
      await ready();
      return (await log.locator("pre").allTextContents()).slice(first);
    };

    await log.getByText("name: 'wasm'").waitFor();
    expect(await enter("add(tensor([1, 2]), 3)")).toEqual(["Tensor float32 [2]\n[4. 5.]"]);
    expect(await enter("const n: number = 20;")).toEqual([]);
    expect(await enter("const twice = await multiply(tensor(n), 2).item();\ntwice + 1")).toEqual(["41"]);
    expect(await enter('import { add as plus } from "separable"; console.log(await plus(1, tensor(n)).item(), "is more")')).toEqual([
      "21 is more",
    ]);
    expect(await enter("reshape(tensor([1, 2, 3]), [2, 2])")).toEqual([expect.stringMatching(/^ShapeError: reshape: .*3/)]);
    expect(await enter("tensor([1, 2")).toEqual([expect.stringMatching(/^SyntaxError: /)]);
    expect(await enter('void Promise.reject(new TypeError("nobody waits"));')).toEqual(["TypeError: nobody waits"]);
    expect(await enter('[Random.name, "a"]')).toEqual(["[ 'Random', 'a' ]"]);

    await entry.fill("a draft");
    await entry.press("ArrowUp");
    await entry.press("ArrowUp");
    expect(await entry.inputValue()).toContain("nobody waits");
    await entry.press("ArrowDown");
    await entry.press("ArrowDown");
    expect(await entry.inputValue()).toBe("a draft");
    await entry.press("Shift+Enter");
    expect(await entry.inputValue()).toBe("a draft\n");

    await page.getByRole("button", { name: "A network" }).click();
    await entry.press("Enter");
    await log.getByText("TensorTrainLinear").waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);

    await ready();
    await start("for (let i = 0; ; i++) console.log(i)");
    await log.getByText("is not shown").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await log.getByText("Stopped.").waitFor();
    expect(await enter("n")).toEqual(["ReferenceError: n is not defined"]);
    await enter("const m = 1;");
    await page.getByRole("button", { name: "Restart" }).click();
    await log.getByText("name: 'wasm'").waitFor();
    expect(await log.locator("pre").count()).toBe(2);
    expect(await enter("typeof m")).toEqual(["'undefined'"]);
    await page.close();
    expect(problems).toEqual([]);
  });

  test("the playground trains without isolation headers and offers them, and the lens has its network", async () => {
    const problems: string[] = [];
    const page = await open(problems);
    await page.goto(`${site.origin}/playground.html`);
    await page.getByRole("link", { name: "the playground opens in your browser" }).click();
    await page.waitForURL(`${site.origin}/try/`);
    await page.goto(`${site.origin}/try/#train=64&test=32&epochs=1&batch=32`);
    await page.getByText("This page computes on one thread").waitFor();
    await page.locator("button.primary").click();
    await page.locator("svg .curve").first().waitFor();
    await page.getByText(/^wasm, 1 thread,/).waitFor();
    await page.getByRole("button", { name: "Use all cores" }).click();
    await page.waitForFunction(() => crossOriginIsolated);

    await page.getByRole("link", { name: "Structure lens" }).click();
    await page.getByLabel("Matrix", { exact: true }).selectOption("A trained network");
    await page.getByText(shippedNetwork.title).waitFor();
    await page.getByRole("rowheader", { name: "the kernel K itself" }).waitFor();
    await page.getByRole("link", { name: "separable" }).click();
    await page.waitForURL(`${site.origin}/`);
    await page.close();
    expect(problems).toEqual([]);
  });

  test("the search finds a word of the text", async () => {
    const problems: string[] = [];
    const page = await open(problems);
    await page.goto(`${site.origin}/start.html`);
    await page.getByRole("button", { name: "Search" }).click();
    await page.locator("#localsearch-input").fill("vector–Jacobian");
    await page.locator("#localsearch-list a", { hasText: "Jacobian" }).first().waitFor();
    await page.close();
    expect(problems).toEqual([]);
  });
});
