/** Pages whose Content-Security-Policy forbids what the wasm backend needs: the error or note names the directive to add. */

import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromium as executablePath } from "../../vitest.config.ts";
import type { entries } from "./policy-page.ts";
import { bundleScript, missingChromium, type PageServer, type Resource, scriptPage, servePages } from "./serve-page.ts";

if (missingChromium !== undefined) console.warn(`browser tests of policies skipped: ${missingChromium}`);

const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

const policies: Readonly<Record<string, string>> = {
  "/none": "",
  "/no-wasm": "script-src 'self'; worker-src blob:",
  "/no-workers": "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'",
  "/all": "script-src 'self' 'wasm-unsafe-eval'; worker-src blob:",
};

let server: PageServer;
let browser: Browser;

beforeAll(async () => {
  if (missingChromium !== undefined) return;
  const script: Resource = { ...(await bundleScript("policy-page.ts")), headers: isolation };
  server = await servePages((path) => {
    if (path === "/page.js") return script;
    const policy = policies[path];
    if (policy === undefined) return undefined;
    return { ...scriptPage, headers: { ...isolation, ...(policy === "" ? {} : { "Content-Security-Policy": policy }) } };
  });
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] });
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

type Entries = typeof entries;

async function call<Name extends keyof Entries>(path: string, name: Name, ...args: Parameters<Entries[Name]>): Promise<unknown> {
  const page = await browser.newPage();
  try {
    await page.goto(`${server.origin}${path}`);
    return await page.evaluate(
      ([name, args]) => (globalThis as unknown as { entries: Record<string, (...args: unknown[]) => unknown> }).entries[name]!(...args),
      [name, args as unknown[]] as const,
    );
  } finally {
    await page.close();
  }
}

const noWasm =
  "wasm: the page's Content-Security-Policy forbids WebAssembly; add 'wasm-unsafe-eval' to its script-src, or use the reference backend";
const noWorkers = "wasm: the page's Content-Security-Policy forbids blob workers; add `worker-src blob:` to it, or use threads: 1";

describe.skipIf(missingChromium !== undefined)("in Chromium", () => {
  test("a page that forbids WebAssembly is told which directive to add", async () => {
    expect(await call("/no-wasm", "start", ["wasm"])).toBe(`BackendError: initBackend: no backend can run here: wasm (${noWasm})`);
    expect(await call("/no-wasm", "start", ["wasm", "reference"])).toEqual({
      choice: { name: "reference", threads: 1, passedOver: [{ name: "wasm", reason: noWasm }] },
      sum: 3,
    });
  });

  test("auto on a page without separable/gpu is wasm, or the reference where the page forbids WebAssembly, and says why", async () => {
    const gpu = { name: "gpu", reason: 'separable/gpu is not imported; import that entry to let "auto" try GPUs' };
    const noGpu = "no GPU: separable/gpu is not imported";
    expect(await call("/all", "start", ["auto"], 2)).toEqual({
      choice: { name: "wasm", threads: 2, passedOver: [gpu], reason: noGpu },
      sum: 3,
    });
    expect(await call("/no-wasm", "start", ["auto"])).toEqual({
      choice: {
        ...{ name: "reference", threads: 1, passedOver: [gpu, { name: "wasm", reason: noWasm }] },
        reason: `wasm cannot run here: wasm: the page's Content-Security-Policy forbids WebAssembly, ${noGpu}`,
      },
      sum: 3,
    });
  });

  test("a page that forbids blob workers computes on one thread and is told so, or gets an error where it asked for threads", async () => {
    expect(await call("/no-workers", "start", ["wasm"])).toEqual({
      choice: { name: "wasm", threads: 1, passedOver: [], note: `one thread computes: ${noWorkers}` },
      sum: 3,
    });
    expect(await call("/no-workers", "start", ["wasm"], 2)).toBe(`BackendError: initBackend: no backend can run here: wasm (${noWorkers})`);
    expect(await call("/no-workers", "start", ["wasm"], 1)).toMatchObject({ choice: { threads: 1 }, sum: 3 });
  });

  test.each(["/none", "/all"])("a page at %s has two threads", async (path) => {
    expect(await call(path, "start", ["wasm"], 2)).toEqual({ choice: { name: "wasm", threads: 2, passedOver: [] }, sum: 3 });
  });

  test("what a program dropped before it read a tensor is freed", async () => {
    expect(await call("/none", "drop")).toBeLessThanOrEqual(2 ** 26);
  });
});
