/**
 * npx tsx test/bench/playground/main.ts [--visits 9] [--rounds 3] [--steps 32] [--clone]
 *
 * Measures the playground in Chromium on this machine. Build before, unless only `--clone` is of interest.
 *
 * - How long a visitor waits: from the start of the navigation until the button Train works, and until the first points of a curve are
 *   drawn, when Train is pressed at once. Every visit has an empty cache.
 * - Images per second in Chromium and in this Node, by turns, of WRN-10-1 with dense and with separable convolutions, on one and on two
 *   threads. `--rounds 0` leaves this out, and `--visits 0` the visits.
 * - With `--clone`, the seconds of each step from `git clone` of this repository to a curve: what the page on the playground tells a reader
 *   to do.
 */

import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { enableRelaxedSimd } from "../../../src/backend/wasm/node/enable-relaxed-simd.ts";
import { servePlayground } from "../../../src/cli/playground-server.ts";
import { chromium as executablePath } from "../../../vitest.config.ts";
import { paceInChromium, paceInNode, settingsOf } from "./pace.ts";

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

/** Measures both by turns, so that a change of the machine's load meets both. */
async function measurePace(rounds: number, steps: number): Promise<void> {
  const server = await servePlayground({ port: 0, folder: join(root, "dist/playground") });
  const browser = await launch();
  const page = await browser.newPage();
  await page.goto(server.address);
  enableRelaxedSimd();
  console.log(`images per second, Chromium ${browser.version()} and Node ${process.versions.node} (V8 ${process.versions.v8})`);
  const cases = ["Conv", "Sep"].flatMap((conv) =>
    [1, 2].map((threads) => ({ conv, threads, chromium: [] as number[], node: [] as number[] })),
  );
  for (let round = 0; round < rounds; round++)
    for (const { conv, threads, chromium: inChromium, node: inNode } of cases) {
      const settings = settingsOf(conv, threads, steps);
      inChromium.push(await paceInChromium(page, settings));
      inNode.push(await paceInNode(settings));
    }
  for (const { conv, threads, chromium: inChromium, node: inNode } of cases) {
    const [there, here] = [median(inChromium), median(inNode)];
    const share = (there / here).toFixed(2);
    console.log(
      `WRN-10-1 ${conv}, ${threads} ${threads === 1 ? "thread" : "threads"}: ${there.toFixed(0)} against ${here.toFixed(0)}, ${share} times; median of ${rounds}`,
    );
  }
  await browser.close();
  await server.close();
}

/** Clones, installs, builds, serves and trains, and prints the seconds of each step. `npm run setup` is the same install and build. */
async function measureClone(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "clone-"));
  const start = performance.now();
  let before = start;
  const report = (step: string): void => {
    const now = performance.now();
    console.log(`${((now - before) / 1000).toFixed(1)} s  ${step}`);
    before = now;
  };
  const run = (command: string, args: readonly string[], cwd: string): void => void execFileSync(command, args, { cwd, stdio: "ignore" });
  try {
    run("git", ["clone", "--quiet", root, "separable"], folder);
    report("git clone");
    const clone = join(folder, "separable");
    run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], clone);
    report("npm install");
    run("npm", ["run", "build"], clone);
    report("npm run build");
    const server = spawn(process.execPath, ["dist/cli/main.js", "playground", "--port", "0", "--json"], { cwd: clone });
    const line = await new Promise<string>((resolve) => createInterface({ input: server.stdout }).once("line", resolve));
    report("separable playground");
    const browser = await launch();
    await visit(browser, (JSON.parse(line) as { address: string }).address);
    report("Chromium opens the page, and a curve begins");
    console.log(`${((performance.now() - start) / 1000).toFixed(1)} s  in all`);
    await browser.close();
    server.kill();
  } finally {
    await rm(folder, { recursive: true });
  }
}

const { values } = parseArgs({
  options: {
    visits: { type: "string", default: "9" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "32" },
    clone: { type: "boolean", default: false },
  },
});
if (Number(values.visits) > 0) await measureVisits(Number(values.visits));
if (Number(values.rounds) > 0) await measurePace(Number(values.rounds), Number(values.steps));
if (values.clone) await measureClone();
// The threads of the last run in this process wait for work.
process.exit();
