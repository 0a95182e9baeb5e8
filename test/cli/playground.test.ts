/** The server of the playground: what it serves, to whom, and under which policy. */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type PlaygroundServer, servePlayground } from "../../src/cli/playground-server.ts";
import { DataError } from "../../src/core/errors.ts";
import { publishFolder } from "../../src/data/node/cached-folder.ts";
import { runCli } from "./run-cli.ts";

let folder: string;
let server: PlaygroundServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "page-"));
  await mkdir(join(folder, "page/parts"), { recursive: true });
  for (const file of ["index.html", "worker.js", "parts/a.js"]) await writeFile(join(folder, "page", file), file);
  await writeFile(join(folder, "secret"), "secret");
  server = await servePlayground({ port: 0, folder: join(folder, "page"), cache: join(folder, "cache") });
});

afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Sends a path as it is: `fetch` would tidy it. */
const ask = (path: string, { method = "GET", host }: { method?: string; host?: string } = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { port } = new URL(server.address);
    const sent = request({ host: "127.0.0.1", port, path, method, headers: { host: host ?? `127.0.0.1:${port}` } }, (response) => {
      let body = "";
      response.on("data", (part: Buffer) => {
        body += part.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    sent.on("error", reject);
    sent.end();
  });

describe("the server", () => {
  test("serves the files of the page, isolated and under a policy that allows nothing from elsewhere", async () => {
    const page = await ask("/");
    expect(page).toMatchObject({ status: 200, body: "index.html" });
    expect(page.headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "x-content-type-options": "nosniff",
    });
    const policy = String(page.headers["content-security-policy"]);
    expect(policy).toMatch(/^default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/);
    expect(policy).not.toContain("'unsafe-eval'");
    expect(policy).not.toContain("'unsafe-inline'");
    expect(await ask("/parts/a.js?x=1")).toMatchObject({ status: 200, body: "parts/a.js" });
    expect(String((await ask("/worker.js")).headers["content-security-policy"])).toContain(" 'unsafe-eval'");
  });

  test.each([
    "/../secret",
    "/..%2fsecret",
    "/%2e%2e/secret",
    "/parts/../../secret",
    "/parts",
    "/parts/",
    "/secret",
    "//etc/passwd",
    "/data/cifar10/../../secret",
    "/data/cifar10/manifest.json",
  ])("%s is no file of it", async (path) => expect(await ask(path)).toMatchObject({ status: 404 }));

  test("answers no other host and no other method", async () => {
    expect(await ask("/", { host: "evil.example" })).toMatchObject({ status: 403 });
    expect(await ask("/", { host: "127.0.0.1.evil.example" })).toMatchObject({ status: 403 });
    expect(await ask("/", { host: "localhost:1234" })).toMatchObject({ status: 200 });
    expect(await ask("/", { method: "POST" })).toMatchObject({ status: 405 });
    expect(await ask("/", { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
  });

  test("serves CIFAR-10 from the cache, and a damaged file not at all", async () => {
    const path = "/data/cifar10/test_batch.bin";
    expect(await ask(path)).toMatchObject({ status: 404, body: expect.stringContaining("separable data") });
    const cache = join(folder, "cache");
    await publishFolder({
      ...{ cache, name: "cifar-10-batches-bin", source: "test", files: ["test_batch.bin"] },
      build: (into) => writeFile(join(into, "test_batch.bin"), "images"),
    });
    expect(await ask(path)).toMatchObject({ status: 200, body: "images" });
    await writeFile(join(cache, "cifar-10-batches-bin/test_batch.bin"), "damage");
    expect(await ask(path)).toMatchObject({ status: 404 });
  });

  test("says that a port is taken, and that the page has not been built", async () => {
    const port = Number(new URL(server.address).port);
    await expect(servePlayground({ port, folder: join(folder, "page") })).rejects.toThrow(/^playground: port \d+ must be free/);
    await expect(servePlayground({ port: 0, folder: join(folder, "none") })).rejects.toThrow(DataError);
  });
});

test("the command refuses a port that is none", async () => {
  const { code, stderr } = await runCli(["playground", "--port", "70000"]);
  expect(code).toBe(1);
  expect(stderr).toBe('separable: ConfigError: playground: --port must be an integer in [0, 65535], got "70000"\n');
});
