/** Serves the playground from dist/playground on this machine, and the images of CIFAR-10 from the cache. */

import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { DataError } from "../core/errors.ts";
import { describeError, errorCode } from "../core/node/system-error.ts";
import { cifarFormats } from "../data/cifar-format.ts";
import { cacheFolder } from "../data/node/cache-folder.ts";
import { openCachedFolder } from "../data/node/cached-folder.ts";

export interface PlaygroundServer {
  /** The address of the page. */
  readonly address: string;
  close(): Promise<void>;
}

export interface ServeOptions {
  /** 0 stands for any free port. */
  readonly port: number;
  /** The folder of the page. Default: dist/playground of this package. */
  readonly folder?: string;
  /** Whether the page is isolated, so that it may use threads. Default: true. */
  readonly isolated?: boolean;
  /** The folder of cached data sets. Default: `cacheFolder()`. */
  readonly cache?: string;
}

const host = "127.0.0.1";
/** Where the page finds the files of CIFAR-10. */
const cifarPath = "/data/cifar10/";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".safetensors": "application/octet-stream",
};

/** Everything comes from this server. The kernels are WebAssembly, and their threads are workers from blobs. */
const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The worker has no document, and gpu.js makes the programs of a graphics device from text. */
const workerPolicy = policy.replace("'wasm-unsafe-eval'", "'wasm-unsafe-eval' 'unsafe-eval'");

const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** The folder into which the build has put the page. */
const builtPage = (): string => fileURLToPath(new URL("../playground/", import.meta.url));

/**
 * Serves the page until it is closed. Only files that were there at the start are served, by their exact paths, and only to this machine.
 * @throws DataError when the page has not been built, or when the port is taken.
 */
export async function servePlayground({ port, folder = builtPage(), isolated = true, cache }: ServeOptions): Promise<PlaygroundServer> {
  const files = await listFiles(folder);
  const server = createServer((request, response) => {
    answer(request, response, { files, isolated, cache: cache ?? cacheFolder() }).catch(() => response.destroy());
  });
  await listen(server, port);
  const { port: taken } = server.address() as AddressInfo;
  return {
    address: `http://${host}:${taken}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The files of the page by the path of their address. */
async function listFiles(folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    throw new DataError(`playground: needs the page in ${folder}, got ${errorCode(error) ?? describeError(error)}; run npm run build`, {
      cause: error,
    });
  });
  const files = new Map<string, string>();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const address = `/${path.slice(folder.length).split(sep).join("/").replace(/^\/+/, "")}`;
    files.set(address, path);
    if (entry.name === "index.html") files.set(address.slice(0, -"index.html".length), path);
  }
  if (!files.has("/")) throw new DataError(`playground: ${folder} must hold index.html, got none; run npm run build`);
  return files;
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const taken = errorCode(error) === "EADDRINUSE";
      const what = taken ? `port ${port} must be free, got one that another program uses` : describeError(error);
      reject(new DataError(`playground: ${what}; choose another with --port`, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
}

interface Served {
  readonly files: ReadonlyMap<string, string>;
  readonly isolated: boolean;
  readonly cache: string;
}

async function answer(request: IncomingMessage, response: ServerResponse, { files, isolated, cache }: Served): Promise<void> {
  const common = {
    ...(isolated ? isolation : {}),
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
  };
  const refuse = (status: number, text: string): void => {
    response.writeHead(status, { ...common, "Content-Type": "text/plain; charset=utf-8" }).end(`${text}\n`);
  };
  // A page of another site that a name server has pointed at this machine has another host.
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? "")) return refuse(403, "This server is for this machine only.");
  if (request.method !== "GET" && request.method !== "HEAD") return refuse(405, "Only GET and HEAD are allowed.");
  const path = new URL(request.url ?? "/", `http://${host}`).pathname;
  if (path.startsWith(cifarPath)) {
    const bytes = await cifarFile(path.slice(cifarPath.length), cache);
    if (bytes === undefined) return refuse(404, "CIFAR-10 is not in the cache. Fetch it with: separable data");
    response.writeHead(200, { ...common, "Content-Type": "application/octet-stream", "Content-Length": bytes.length });
    response.end(request.method === "HEAD" ? undefined : bytes);
    return;
  }
  const file = files.get(path);
  if (file === undefined) return refuse(404, "There is no such file.");
  const csp = /\/[\w-]*worker\.js$/.test(path) ? workerPolicy : policy;
  response.writeHead(200, {
    ...common,
    "Content-Type": types[extname(file)] ?? "application/octet-stream",
    "Content-Security-Policy": csp,
  });
  if (request.method === "HEAD") response.end();
  else await pipeline(createReadStream(file), response);
}

/** A file of CIFAR-10, checked against its digest; undefined where the cache does not hold it. */
async function cifarFile(name: string, cache: string): Promise<Uint8Array | undefined> {
  const { train, test, folder } = cifarFormats.cifar10;
  if (![...train, ...test].some((file) => file.name === name)) return undefined;
  try {
    return await (await openCachedFolder(join(cache, folder)))?.read(name);
  } catch (error) {
    if (error instanceof DataError) return undefined;
    throw error;
  }
}
