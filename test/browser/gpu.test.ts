/**
 * gpu.js in a real browser with software drivers: recorded training steps on WebGL 2 and WebGPU, programs that fail, and lost contexts and
 * devices. The page fetches the fixtures over HTTP.
 */

import { readFileSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { chromium as executablePath } from "../../vitest.config.ts";
import { expectRecorded } from "../backend/gpu/golden-training.ts";
import { hardDivisions, largest } from "../backend/gpu/index-arithmetic.ts";
import type { PageEntries } from "./gpu-page.ts";
import { bundleScript, missingChromium, type PageServer, scriptPage, servePages } from "./serve-page.ts";
import { softwareGraphics } from "./software-graphics.ts";

if (missingChromium !== undefined) console.warn(`GPU tests in the browser skipped: ${missingChromium}`);

let server: PageServer;
beforeAll(async () => {
  if (missingChromium !== undefined) return;
  const script = await bundleScript("gpu-page.ts");
  server = await servePages((path) => {
    if (path === "/") return scriptPage;
    if (path === "/page.js") return script;
    const fixture = /^\/fixtures\/([\w.]+)$/.exec(path)?.[1];
    if (fixture === undefined) return undefined;
    return { type: "application/octet-stream", body: readFileSync(new URL(`../fixtures/wrn_step/${fixture}`, import.meta.url)) };
  });
});
afterAll(() => server?.close());

describe.skipIf(missingChromium !== undefined).each([
  { mode: "webgl2" as const, tolerance: 1e-3, lossOf: "context", dense: ["Conv"] },
  { mode: "webgpu" as const, tolerance: 1e-4, lossOf: "device", dense: [] },
])("$mode in Chromium", ({ mode, tolerance, lossOf, dense }) => {
  let browser: Browser;
  let page: Page;
  let missing: string | undefined;
  const failures: string[] = [];

  /** Calls one of the page's functions. */
  async function call<Name extends keyof PageEntries>(
    name: Name,
    ...args: Parameters<PageEntries[Name]>
  ): Promise<Awaited<ReturnType<PageEntries[Name]>>> {
    const result = await page.evaluate(
      ([name, args]) => (globalThis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[name]!(...args),
      [name, args] as const,
    );
    expect(failures).toEqual([]);
    return result as Awaited<ReturnType<PageEntries[Name]>>;
  }

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--no-first-run", ...softwareGraphics[mode]] });
    page = await browser.newPage();
    // Unhandled rejections are reported here as well.
    page.on("pageerror", (error) => failures.push(error.message));
    await page.goto(`${server.origin}/`);
    missing = await call("missing", mode);
    if (missing !== undefined) console.warn(`${mode} in Chromium skipped: ${missing}`);
  });
  afterAll(() => browser?.close());

  /** A test that is skipped, with the reason, where this Chromium lacks the mode. */
  const testOfMode = (name: string, body: () => Promise<void>): void => {
    test(name, { timeout: 900_000 }, async (context) => {
      if (missing !== undefined) context.skip(missing);
      await body();
    });
  };

  for (const convolution of ["Shuffle_4", "ACDC_3", "TensorTrain_0.3", "SepHashed_0.20", "Monarch_4", ...dense])
    testOfMode(`a training step of WRN-10-1 ${convolution} is the recorded one`, async () => {
      const report = await call("train", mode, convolution, { steps: 1, tolerance });
      if (process.env.FIGURES) console.info(mode, "in Chromium", convolution, JSON.stringify(report));
      expect(Object.keys(report.deviations)).toEqual(expect.arrayContaining(["loss", "logits", "gradients", "after1"]));
      expectRecorded(convolution, report, tolerance);
      expect(report.lossReads.seen, "readbacks that the graphics interface saw").toBeGreaterThan(0);
    });

  testOfMode("quotients and remainders of indices are exact up to 2³¹", async () => {
    const random = new Random(11);
    const drawn = Array.from({ length: 4000 }, (): [number, number] => {
      const b = Math.ceil(2 ** (31 * random.uniform())) - 1 || 1;
      const a = Math.floor((largest / b) * random.uniform()) * b + Math.floor(3 * random.uniform()) - 1;
      return [Math.min(Math.max(a, 0), largest), b];
    });
    expect(await call("divide", mode, [...drawn, ...hardDivisions])).toBe(0);
  });

  testOfMode(
    "a read throws the name of a program that does not compile, and results can be read after their kernels were dropped",
    async () => {
      const { compile, evicted, handles } = await call("fail", mode);
      for (const message of compile) expect(message).toMatch(`BackendError: ${mode}: test: plus nowhere failed on the device:`);
      expect(evicted).toEqual(["read 2,3", "read 3,4", "read 4,5", "read 5,6", "read 2,3"]);
      expect(handles).toBe(0);
    },
  );

  testOfMode(`after the ${lossOf} is lost every read throws, and a new backend computes`, async () => {
    const report = await call("lose", mode);
    expect(report).toMatchObject({ before: "read 1,2", fresh: "read 4,6", handles: 0 });
    for (const message of report.after)
      expect(message).toMatch(new RegExp(`^BackendError: ${mode}: the ${lossOf} was lost.*; call initBackend\\(\\) again$`));
  });
});
