/** `initBackend(["auto"])` in Chromium, whose only adapters are software. */

import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromium as executablePath } from "../../vitest.config.ts";
import type { AutoPageReport, entries } from "./auto-page.ts";
import { bundleScript, missingChromium, type PageServer, scriptPage, servePages } from "./serve-page.ts";

if (missingChromium !== undefined) console.warn(`browser tests of auto skipped: ${missingChromium}`);

let server: PageServer;
let browser: Browser;

beforeAll(async () => {
  if (missingChromium !== undefined) return;
  const script = await bundleScript("auto-page.ts");
  server = await servePages((path) => (path === "/page.js" ? script : path === "/" ? scriptPage : undefined));
  const args = ["--no-sandbox", "--no-first-run", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
  browser = await chromium.launch({ executablePath, args });
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

async function call(name: keyof typeof entries): Promise<AutoPageReport> {
  const page = await browser.newPage();
  const failures: string[] = [];
  page.on("pageerror", (error) => failures.push(error.message));
  await page.goto(`${server.origin}/`);
  const report = await page.evaluate(
    (name) => (globalThis as unknown as { entries: Record<string, () => Promise<AutoPageReport>> }).entries[name]!(),
    name,
  );
  expect(failures).toEqual([]);
  await page.close();
  return report;
}

describe.skipIf(missingChromium !== undefined)("in Chromium", () => {
  test("wasm is taken where all adapters are software, and the reasons name the devices of separable/gpu", {
    timeout: 120_000,
  }, async () => {
    const { choice, same, sum } = await call("plain");
    expect({ name: choice.name, same, sum }).toEqual({ name: "wasm", same: true, sum: 3 });
    expect(choice.passedOver.map(({ name }) => name)).toEqual(["webgpu", "webgl2"]);
    expect(choice.passedOver[1]!.reason).toMatch(/^only a software adapter, .*SwiftShader/);
    expect(choice.reason).toMatch(/^no GPU: .*only a software adapter/);
    expect(choice.calibration).toBeUndefined();
  });

  test("an adapter that passes for hardware is timed against wasm, and the figures decide", { timeout: 120_000 }, async () => {
    const { choice, sum } = await call("timed");
    expect(sum).toBe(3);
    expect(choice.calibration?.map(({ name }) => name)).toEqual(["webgl2", "wasm"]);
    const [device, wasm] = choice.calibration!.map(({ milliseconds }) => milliseconds) as [number, number];
    expect(Math.min(device, wasm)).toBeGreaterThan(0);
    expect(choice.name).toBe(device < wasm ? "webgl2" : "wasm");
    expect(choice.reason).toMatch(/ms in the calibration, /);
  });
});
