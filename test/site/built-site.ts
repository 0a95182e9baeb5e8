/** Builds the site once and serves it, for the tests that look at its pages. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const root = fileURLToPath(new URL("../../", import.meta.url));

/** Why the site cannot be built; undefined where it can. */
export const missingPackages = existsSync(join(root, "docs/node_modules/vitepress"))
  ? undefined
  : "the packages of the site are not installed; run npm run docs:setup";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".woff2": "font/woff2",
};

export interface BuiltSite {
  /** What the build printed to stderr, without the lines of its progress. */
  readonly warnings: string;
  /** Without a final slash. */
  readonly origin: string;
  /** Every HTML file, by its path on the site, such as `/course/index.html`. */
  readonly pages: ReadonlyMap<string, string>;
  /** The path of every file, with a slash before it. */
  readonly files: ReadonlySet<string>;
  close(): Promise<void>;
}

/** Builds the site into a new folder of `tmpdir` and serves it. @throws Error where the build fails. */
export async function buildSite(): Promise<BuiltSite> {
  const folder = await mkdtemp(join(tmpdir(), "separable-site-"));
  const build = ["--import", "tsx", "docs/.vitepress/build/main.ts", "build", folder];
  const { stderr } = await promisify(execFile)(process.execPath, build, { cwd: root, maxBuffer: 2 ** 26 });
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length));
  const html = files.filter((file) => file.endsWith(".html"));
  const pages = new Map(await Promise.all(html.map(async (file) => [file, await readFile(join(folder, file), "utf8")] as const)));
  const server = createServer(async (request, response) => {
    const path = decodeURI(new URL(request.url ?? "/", "http://localhost").pathname).replace(/\/$/, "/index.html");
    const body = await readFile(join(folder, path)).catch(() => undefined);
    response.writeHead(body ? 200 : 404, { "Content-Type": types[extname(path)] ?? "application/octet-stream" }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    warnings: stderr.replace(/^(- |\S*✓).*\n/gm, ""),
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    pages,
    files: new Set(files),
    close: async () => {
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
