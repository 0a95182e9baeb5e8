/**
 * npx tsx test/bench/playground/main.ts [--visits 9] [--clone]
 *
 * How long a visitor of the playground waits, in Chromium on this machine: from the start of the navigation until the button Train works,
 * and until the first points of a curve are drawn, when Train is pressed at once. Every visit has an empty cache. With `--clone`, also the
 * seconds from `git clone` of this repository to a curve, with the steps between them: what the page on the playground tells a reader to
 * do. Build before a run without `--clone`.
 */

import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { servePlayground } from "../../../src/cli/playground-server.ts";
import { chromium as executablePath } from "../../../vitest.config.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Milliseconds since the start of the navigation. */
interface Visit {
  readonly ready: number;
  readonly curve: number;
}

/** One visit with an empty cache. Train is pressed by the page itself in the moment in which it works. */
async function visit(browser: Browser, address: string): Promise<Visit> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(() => {
    const times = { ready: 0, curve: 0 };
    Object.assign(globalThis, { times });
    new MutationObserver(() => {
      const button = document.querySelector<HTMLButtonElement>("button.primary");
      if (times.ready === 0 && document.documentElement.dataset.ready === "true" && button?.disabled === false) {
        times.ready = performance.now();
        button.click();
      }
      if (times.curve === 0 && document.querySelector("svg .curve") !== null) times.curve = performance.now();
    }).observe(document, { subtree: true, childList: true, attributes: true });
  });
  await page.goto(address);
  await page.waitForFunction(() => (globalThis as unknown as { times: Visit }).times.curve > 0, undefined, { timeout: 120_000 });
  const times = await page.evaluate(() => (globalThis as unknown as { times: Visit }).times);
  await context.close();
  return times;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

async function measureVisits(count: number): Promise<void> {
  const server = await servePlayground({ port: 0, folder: join(root, "dist/playground") });
  const browser = await launch();
  const visits: Visit[] = [];
  for (let i = 0; i < count; i++) visits.push(await visit(browser, server.address));
  for (const name of ["ready", "curve"] as const) {
    const times = visits.map((each) => each[name]);
    console.log(`${name}: median ${median(times).toFixed(0)} ms, longest ${Math.max(...times).toFixed(0)} ms, of ${count} visits`);
  }
  await browser.close();
  await server.close();
}

const launch = (): Promise<Browser> => chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] });

/** Clones, installs, builds, serves and trains, and prints the seconds since the start after each step. */
async function measureClone(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "clone-"));
  const start = performance.now();
  const report = (step: string): void => console.log(`${((performance.now() - start) / 1000).toFixed(1)} s  ${step}`);
  const run = (command: string, args: readonly string[], cwd: string): void => void execFileSync(command, args, { cwd, stdio: "ignore" });
  try {
    run("git", ["clone", "--quiet", root, "separable"], folder);
    report("git clone");
    const clone = join(folder, "separable");
    run("npm", ["run", "setup"], clone);
    report("npm run setup (install and build)");
    const server = spawn(process.execPath, ["dist/cli/main.js", "playground", "--port", "0", "--json"], { cwd: clone });
    const line = await new Promise<string>((resolve) => createInterface({ input: server.stdout }).once("line", resolve));
    report("separable playground");
    const browser = await launch();
    const { curve } = await visit(browser, (JSON.parse(line) as { address: string }).address);
    report(`a curve, ${curve.toFixed(0)} ms after the navigation began`);
    await browser.close();
    server.kill();
  } finally {
    await rm(folder, { recursive: true });
  }
}

const { values } = parseArgs({ options: { visits: { type: "string", default: "9" }, clone: { type: "boolean", default: false } } });
await measureVisits(Number(values.visits));
if (values.clone) await measureClone();
