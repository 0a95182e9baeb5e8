/** Bundles and serves the pages of the browser tests. */

import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import { chromium } from "../../vitest.config.ts";

/** Why the browser tests cannot run; undefined where they can. */
export const missingChromium = existsSync(chromium) ? undefined : `no Chromium at ${chromium}; install it or set CHROMIUM`;

export interface Resource {
  readonly type: string;
  readonly body: string | Uint8Array;
  /** Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The HTML page that runs the script at `/page.js`. */
export const scriptPage: Resource = { type: "text/html", body: '<!doctype html><script type="module" src="/page.js"></script>' };

/** Bundles a file of this folder into one script. */
export async function bundleScript(file: string): Promise<Resource> {
  const bundle = await build({
    entryPoints: [new URL(file, import.meta.url).pathname],
    bundle: true,
    format: "esm",
    platform: "browser",
    external: ["node:*"],
    write: false,
  });
  return { type: "text/javascript", body: bundle.outputFiles[0]!.text };
}

export interface PageServer {
  /** Without a final slash. */
  readonly origin: string;
  close(): void;
}

/** Serves what `find` returns for the path of a request, and status 404 where it returns nothing. */
export async function servePages(find: (path: string) => Resource | undefined): Promise<PageServer> {
  const server = createServer((request, response) => {
    const resource = find(request.url ?? "");
    response.writeHead(resource ? 200 : 404, { "Content-Type": resource?.type ?? "text/plain", ...resource?.headers }).end(resource?.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://localhost:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}
