/** The playground, bundled and served for the tests of a file, and its pages in a real browser. */

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type PlaygroundServer, servePlayground } from "../../src/cli/playground-server.ts";
import { chromium as executablePath } from "../../vitest.config.ts";
import { missingChromium } from "./serve-page.ts";

export type PageOptions = Parameters<Browser["newPage"]>[0];

export interface ServedPlayground {
  /** A folder of the tests, for files. */
  readonly folder: string;
  readonly browser: Browser;
  /** The server that sends the headers of isolation. Its cache of data sets is `folder/cache`. */
  readonly isolated: PlaygroundServer;
  /** The server that does not send them. It has no data sets. */
  readonly plain: PlaygroundServer;
  /** Opens a page of the isolated server, and waits until it is ready. `path` may have a hash. Default: in `browser`. */
  visit(path: string, options?: PageOptions, by?: Browser): Promise<Page>;
  /** Takes a complaint of a page that `visit` did not open. The test then fails. */
  complain(problem: string): void;
}

/** Serves the playground during the tests of the calling file. A test fails where a page of it logs an error or a warning. */
export function servedPlayground(): ServedPlayground {
  let folder: string | undefined;
  let servers: readonly PlaygroundServer[] = [];
  let browser: Browser | undefined;
  let problems: string[] = [];

  beforeAll(async () => {
    if (missingChromium !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), "playground-"));
    const page = join(folder, "page");
    const script = fileURLToPath(new URL("../../src/playground/build-page.mjs", import.meta.url));
    await promisify(execFile)(process.execPath, [script, page]);
    servers = [
      await servePlayground({ port: 0, folder: page, cache: join(folder, "cache") }),
      await servePlayground({ port: 0, folder: page, cache: join(folder, "none"), isolated: false }),
    ];
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] });
  });
  afterEach(() => {
    const found = problems;
    problems = [];
    expect(found).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all(servers.map((server) => server.close()));
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  const complain = (problem: string): void => void problems.push(problem);
  return {
    get folder() {
      return folder!;
    },
    get browser() {
      return browser!;
    },
    get isolated() {
      return servers[0]!;
    },
    get plain() {
      return servers[1]!;
    },
    complain,
    async visit(path, options = {}, by = browser!) {
      const page = await by.newPage({ viewport: { width: 1280, height: 900 }, ...options });
      page.on("console", (message) => ["error", "warning"].includes(message.type()) && complain(message.text()));
      page.on("pageerror", (error) => complain(error.message));
      // What a closed page had not loaded yet is no fault.
      page.on("requestfailed", (request) => request.failure()?.errorText !== "net::ERR_ABORTED" && complain(request.url()));
      await page.goto(`${servers[0]!.address}${path}`);
      await page.waitForSelector("html[data-ready]");
      return page;
    },
  };
}
