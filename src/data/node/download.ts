/** HTTP downloads that continue after a broken connection. */

import { get as httpGet, type IncomingMessage } from "node:http";
import { get as httpsGet } from "node:https";
import { DataError } from "../../core/errors.ts";
import { describeError } from "../../core/node/system-error.ts";

/** A source did not answer, or it refused. The data behind it may be as they should be. */
export class UnreachableError extends DataError {
  override name = "UnreachableError";
}

export interface DownloadOptions {
  /** Milliseconds to wait for an answer, name resolution included. Default: 10,000. */
  readonly connectTimeout?: number;
  /** Milliseconds to wait for the next bytes. Default: 30,000. */
  readonly stallTimeout?: number;
  /** The largest number of reconnections in a row that bring no new bytes. Default: 3. */
  readonly retries?: number;
  /** Milliseconds before the first reconnection; the delay doubles each time. Default: 1,000. */
  readonly retryDelay?: number;
  /** Stops the download when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes so far, and the total where the server announced it. */
  readonly onBytes?: ((received: number, total: number | undefined) => void) | undefined;
}

const maxRedirects = 5;

/**
 * The bytes at `url`, as they arrive. After the connection breaks, the next request asks for the rest (`Range`), so the stream continues
 * where it stopped. The first connection is not retried: a host that cannot be reached is an error at once.
 * @throws UnreachableError when the host cannot be reached, refuses, or keeps breaking the connection; the signal's reason when aborted.
 */
export async function* downloadBytes(url: string, options: DownloadOptions = {}): AsyncGenerator<Uint8Array, void, void> {
  const { retries = 3, retryDelay = 1000, signal, onBytes } = options;
  let received = 0;
  let answered = false;
  let total: number | undefined;
  let validator: string | undefined;
  for (let failures = 0; ; ) {
    const before = received;
    try {
      const headers = received > 0 ? { Range: `bytes=${received}-`, ...(validator ? { "If-Range": validator } : {}) } : {};
      const response = await request(url, headers, options);
      try {
        if (!answered) {
          answered = true;
          total = contentLength(response);
          const etag = response.headers.etag;
          validator = etag && !etag.startsWith("W/") ? etag : response.headers["last-modified"];
        }
        // A server that ignores Range sends all bytes again.
        let skip = response.statusCode === 206 ? 0 : received;
        for await (const chunk of response as AsyncIterable<Uint8Array>) {
          const fresh = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - fresh.length;
          if (fresh.length === 0) continue;
          received += fresh.length;
          onBytes?.(received, total);
          yield fresh;
        }
        if (total === undefined || received >= total) return;
        throw new Error(`the connection closed after ${received} of ${total} bytes`);
      } finally {
        response.destroy();
      }
    } catch (error) {
      signal?.throwIfAborted();
      failures = received > before ? 0 : failures + 1;
      if (!answered || failures > retries)
        throw new UnreachableError(`download: ${url} must be reachable, got ${describeError(error)} after ${received} bytes`, {
          cause: error,
        });
      await pause(retryDelay * 2 ** failures, signal);
    }
  }
}

function contentLength(response: IncomingMessage): number | undefined {
  const value = Number(response.headers["content-length"]);
  return Number.isInteger(value) && value > 0 ? value : undefined;
}

// This uses node:http, because fetch would unpack an archive that the server labels `Content-Encoding: gzip`, and its checksum would not
// match.
function request(url: string, headers: Record<string, string>, options: DownloadOptions, redirects = 0): Promise<IncomingMessage> {
  const { connectTimeout = 10_000, stallTimeout = 30_000, signal } = options;
  return new Promise<IncomingMessage>((resolve, reject) => {
    const get = url.startsWith("https:") ? httpsGet : httpGet;
    const outgoing = get(url, { headers: { "Accept-Encoding": "identity", ...headers }, ...(signal ? { signal } : {}) });
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${connectTimeout / 1000} s`)), connectTimeout);
    outgoing.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    outgoing.on("response", (response) => {
      clearTimeout(timer);
      const { statusCode = 0 } = response;
      const location = response.headers.location;
      const wanted = headers.Range ? [200, 206] : [200];
      if (statusCode >= 300 && statusCode < 400 && location) {
        response.resume();
        if (redirects === maxRedirects) reject(new Error(`more than ${maxRedirects} redirects`));
        else resolve(request(new URL(location, url).href, headers, options, redirects + 1));
      } else if (!wanted.includes(statusCode)) {
        response.resume();
        reject(new Error(`HTTP status ${statusCode} ${response.statusMessage ?? ""}`.trim()));
      } else {
        response.setTimeout(stallTimeout, () => response.destroy(new Error(`no bytes for ${stallTimeout / 1000} s`)));
        resolve(response);
      }
    });
  });
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
