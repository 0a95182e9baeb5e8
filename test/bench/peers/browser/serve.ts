/** Bundles and serves the page that compares libraries on WebGPU, and opens it in Chromium on a software adapter. */

import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { chromium as executablePath } from "../../../../vitest.config.ts";
import { type PageServer, type Resource, servePages } from "../../../browser/serve-page.ts";
import { softwareGraphics } from "../../../browser/software-graphics.ts";
import type { BrowserComparison, BrowserRequest } from "./page.ts";

const style = "body { font: 14px sans-serif; margin: 2em } td, th { padding: 0.2em 0.8em; text-align: right }";
const html: Resource = {
  type: "text/html",
  body: `<!doctype html><meta charset="utf-8"><title>WebGPU, library by library</title>
<link rel="icon" href="data:,"><style>${style}</style>
<h1>WebGPU, library by library</h1><script type="module" src="/page.js"></script>`,
};

/** Serves the page on a port of this machine. */
export async function serveComparison(request: BrowserRequest): Promise<PageServer> {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL("page.ts", import.meta.url))],
    bundle: true,
    format: "esm",
    platform: "browser",
    external: ["node:*"],
    write: false,
  });
  const script: Resource = { type: "text/javascript", body: bundle.outputFiles[0]!.text };
  const asked: Resource = { type: "application/json", body: JSON.stringify(request) };
  const resources: Readonly<Record<string, Resource>> = { "/": html, "/page.js": script, "/request.json": asked };
  return servePages((path) => resources[path]);
}

/** Measures in Chromium on SwiftShader. */
export async function measureInChromium(request: BrowserRequest): Promise<BrowserComparison> {
  const server = await serveComparison(request);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", ...softwareGraphics.webgpu] });
  try {
    const page = await browser.newPage();
    page.on("console", (message) => process.stderr.write(`${message.text()}\n`));
    page.on("pageerror", (error) => process.stderr.write(`${error.message}\n`));
    await page.goto(server.origin);
    await page.waitForFunction(() => "measured" in globalThis);
    return await page.evaluate(() => globalThis.measured);
  } finally {
    await browser.close();
    server.close();
  }
}
