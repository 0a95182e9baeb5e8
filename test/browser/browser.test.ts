/**
 * The library in a real browser. The bundle loads without fetching another file. It uses threads on a page that is cross-origin isolated,
 * and one thread on any other page. It writes the files that it writes in Node.
 */

import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createReferenceBackend, exportOnnx, Random, useBackend, WideResNet } from "../../src/index.ts";
import { chromium as executablePath } from "../../vitest.config.ts";
import type { PageReport } from "./page.ts";
import { bundleScript, missingChromium, type PageServer, type Resource, scriptPage, servePages } from "./serve-page.ts";

if (missingChromium !== undefined) console.warn(`browser tests skipped: ${missingChromium}`);

/** The headers that make a page cross-origin isolated. */
const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let server: PageServer;
let browser: Browser;
const requests: string[] = [];

beforeAll(async () => {
  if (missingChromium !== undefined) return;
  const pages: Record<string, Resource> = {
    "/isolated": { ...scriptPage, headers: isolation },
    "/plain": scriptPage,
    "/page.js": { ...(await bundleScript("page.ts")), headers: isolation },
  };
  server = await servePages((path) => {
    requests.push(path);
    return pages[path];
  });
  browser = await chromium.launch({ executablePath, args: flags });
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

async function onnxOfNode(): Promise<number[]> {
  useBackend(createReferenceBackend());
  const model = new WideResNet({ depth: 10, width: 1 }, { random: new Random(1) });
  return [...(await exportOnnx(model, { imageShape: [3, 32, 32] }))];
}

async function visit(path: string): Promise<PageReport> {
  const page = await browser.newPage();
  const failures: string[] = [];
  page.on("pageerror", (error) => failures.push(error.message));
  await page.goto(`${server.origin}${path}`);
  const report = await page.evaluate(() => (globalThis as unknown as { report: () => Promise<PageReport> }).report());
  expect(failures).toEqual([]);
  await page.close();
  return report;
}

describe.skipIf(missingChromium !== undefined)("in Chromium", () => {
  test.each([
    { path: "/isolated", isolated: true, threads: 2 },
    { path: "/plain", isolated: false, threads: 1 },
  ])("a training step on $path runs on $threads thread(s) and is close to the reference", async ({ path, isolated, threads }) => {
    const report = await visit(path);
    expect(report).toMatchObject({ isolated, threads, leftover: 0 });
    expect(Math.abs(report.loss[0] / report.loss[1] - 1)).toBeLessThan(1e-5);
    // The gradients are float32 sums of up to 2·32·32 products in another order, through ten layers.
    expect(report.worstGradient).toBeLessThan(1e-3);
    // The file that Node makes of the same network on the same backend.
    expect(report.onnx).toEqual(await onnxOfNode());
    expect(requests.filter((url) => !["/isolated", "/plain", "/page.js", "/favicon.ico"].includes(url))).toEqual([]);
  });
});
