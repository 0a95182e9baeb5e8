/**
 * The library in a real browser. The bundle loads without fetching another file. It uses threads on a page that is cross-origin isolated,
 * and one thread on any other page.
 */

import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PageReport } from "./page.ts";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const available = existsSync(executablePath);
if (!available) console.warn(`browser tests skipped: no Chromium at ${executablePath}; install it or set CHROMIUM`);

const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

let server: Server;
let browser: Browser;
const requests: string[] = [];

beforeAll(async () => {
  if (!available) return;
  const bundle = await build({
    entryPoints: [new URL("page.ts", import.meta.url).pathname],
    bundle: true,
    format: "esm",
    platform: "browser",
    external: ["node:*"],
    write: false,
  });
  const pages: Record<string, { type: string; body: string; headers: Record<string, string> }> = {
    "/isolated": { type: "text/html", body: '<!doctype html><script type="module" src="/page.js"></script>', headers: isolation },
    "/plain": { type: "text/html", body: '<!doctype html><script type="module" src="/page.js"></script>', headers: {} },
    "/page.js": { type: "text/javascript", body: bundle.outputFiles[0]!.text, headers: isolation },
  };
  server = createServer((request, response) => {
    requests.push(request.url!);
    const page = pages[request.url!];
    response.writeHead(page ? 200 : 404, { "Content-Type": page?.type ?? "text/plain", ...page?.headers }).end(page?.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const flags = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  browser = await chromium.launch({ executablePath, args: flags });
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

async function visit(path: string): Promise<PageReport> {
  const page = await browser.newPage();
  const failures: string[] = [];
  page.on("pageerror", (error) => failures.push(error.message));
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}${path}`);
  const report = await page.evaluate(() => (globalThis as unknown as { report: () => Promise<PageReport> }).report());
  expect(failures).toEqual([]);
  await page.close();
  return report;
}

describe.skipIf(!available)("in Chromium", () => {
  test.each([
    { path: "/isolated", isolated: true, threads: 2 },
    { path: "/plain", isolated: false, threads: 1 },
  ])("a training step on $path runs on $threads thread(s) and is close to the reference", async ({ path, isolated, threads }) => {
    const report = await visit(path);
    expect(report).toMatchObject({ isolated, threads, leftover: 0 });
    expect(Math.abs(report.loss[0] / report.loss[1] - 1)).toBeLessThan(1e-5);
    // The gradients are float32 sums of up to 2·32·32 products in another order, through ten layers.
    expect(report.worstGradient).toBeLessThan(1e-3);
    expect(requests.filter((url) => !["/isolated", "/plain", "/page.js", "/favicon.ico"].includes(url))).toEqual([]);
  });
});
