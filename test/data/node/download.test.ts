import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../../../src/core/errors.ts";
import { type DownloadOptions, downloadBytes } from "../../../src/data/node/download.ts";
import { scrambledBytes } from "../arbitraries.ts";
import { cutOff, deadAddress, serve } from "./small-cifar.ts";

const body = scrambledBytes(200_000, 5);
const etag = '"v1"';

async function collect(url: string, options: DownloadOptions = {}): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of downloadBytes(url, { retryDelay: 0, ...options })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const rangeStart = (range: string | undefined): number => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);

describe("downloadBytes", () => {
  it("requests the rest wherever the connection breaks", async () => {
    const cuts: number[] = [];
    const requests: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      requests.push(request.headers.range);
      const from = rangeStart(request.headers.range);
      const headers = {
        "Content-Length": body.length - from,
        ETag: etag,
        ...(from > 0 ? { "Content-Range": `bytes ${from}-${body.length - 1}/${body.length}` } : {}),
      };
      if (from > 0 && request.headers["if-range"] !== etag) return response.writeHead(412).end();
      const cut = cuts.shift();
      if (cut === undefined) return response.writeHead(from > 0 ? 206 : 200, headers).end(body.subarray(from));
      return cutOff(response, from > 0 ? 206 : 200, headers, body.subarray(from, from + cut));
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 40_000 }), { maxLength: 4 }), async (planned) => {
        cuts.splice(0, cuts.length, ...planned);
        requests.length = 0;
        expect(Buffer.compare(await collect(url, { retries: 10 }), body)).toBe(0);
        expect(requests.length).toBe(planned.length + 1);
        // Bytes that were on the way when the connection broke may be lost, so fewer bytes may have arrived than were sent.
        let sent = 0;
        for (const [i, range] of requests.entries()) {
          if (rangeStart(range) > 0) expect(range).toBe(`bytes=${rangeStart(range)}-`);
          expect(rangeStart(range)).toBeLessThanOrEqual(sent);
          sent = rangeStart(range) + (planned[i] ?? 0);
        }
      }),
      { numRuns: 15 },
    );
  });

  it("skips the bytes it has when the server sends all bytes again", async () => {
    let requests = 0;
    const url = await serve((_, response) => {
      if (requests++ < 2) return cutOff(response, 200, { "Content-Length": body.length }, body.subarray(0, 50_000 * requests));
      return response.writeHead(200, { "Content-Length": body.length }).end(body);
    });
    expect(Buffer.compare(await collect(url), body)).toBe(0);
    expect(requests).toBe(3);
  });

  it("requests again when the server sends less than the rest", async () => {
    const url = await serve((request, response) => {
      const from = rangeStart(request.headers.range);
      if (!request.headers.range) return cutOff(response, 200, { "Content-Length": body.length }, body.subarray(0, 10));
      const part = body.subarray(from, from + 70_000);
      return response.writeHead(206, { "Content-Length": part.length }).end(part);
    });
    expect(Buffer.compare(await collect(url), body)).toBe(0);
  });

  it("gives up when reconnections bring no new bytes", async () => {
    let requests = 0;
    const url = await serve((_, response) => {
      requests++;
      response.writeHead(200, { "Content-Length": body.length }).flushHeaders();
      response.destroy();
    });
    await expect(collect(url, { retries: 3 })).rejects.toThrow(DataError);
    expect(requests).toBe(4);
  });

  it("reports the bytes as they arrive, and their total", async () => {
    const url = await serve((_, response) => void response.writeHead(200, { "Content-Length": body.length }).end(body));
    const reports: [number, number | undefined][] = [];
    await collect(url, { onBytes: (received, total) => reports.push([received, total]) });
    expect(reports.at(-1)).toEqual([body.length, body.length]);
    expect(reports.map(([received]) => received)).toEqual(reports.map(([received]) => received).sort((a, b) => a - b));
  });

  it("accepts a body whose length is not announced", async () => {
    const url = await serve((_, response) => void response.writeHead(200).end(body));
    expect(Buffer.compare(await collect(url), body)).toBe(0);
  });

  it("does not unpack a body that the server calls encoded", async () => {
    const url = await serve((_, response) => void response.writeHead(200, { "Content-Encoding": "gzip" }).end(body));
    expect(Buffer.compare(await collect(url), body)).toBe(0);
  });

  it("follows a limited number of redirects", async () => {
    const url = await serve((request, response) => {
      if (request.url === "/file") response.writeHead(200).end("here");
      else if (request.url === "/moved") response.writeHead(302, { Location: "/file" }).end();
      else response.writeHead(302, { Location: "/round" }).end();
    });
    expect((await collect(`${url}/moved`)).toString()).toBe("here");
    await expect(collect(`${url}/round`)).rejects.toThrow("more than 5 redirects");
  });

  it("fails at once when no server answers, and names the address and the cause", async () => {
    const url = deadAddress;
    await expect(collect(url)).rejects.toThrow(DataError);
    await expect(collect(url)).rejects.toThrow(`${url} must be reachable, got connect ECONNREFUSED`);
  });

  it("fails when the server refuses or stays silent", async () => {
    const requests: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      requests.push(request.url);
      if (request.url === "/missing") response.writeHead(404).end("no");
    });
    await expect(collect(`${url}/missing`)).rejects.toThrow("HTTP status 404 Not Found");
    expect(requests).toEqual(["/missing"]);
    await expect(collect(`${url}/silent`, { connectTimeout: 20 })).rejects.toThrow("no answer within 0.02 s");
  });

  it("fails when no more bytes arrive", async () => {
    const url = await serve((_, response) => void response.writeHead(200, { "Content-Length": 10 }).write("abc"));
    await expect(collect(url, { stallTimeout: 20, retries: 0 })).rejects.toThrow("no bytes for 0.02 s");
  });

  it("stops when aborted, with the signal's reason", async () => {
    const url = await serve((_, response) => void response.writeHead(200, { "Content-Length": 10 }).write("abc"));
    const controller = new AbortController();
    const reason = new Error("enough");
    await expect(collect(url, { signal: controller.signal, onBytes: () => controller.abort(reason) })).rejects.toBe(reason);
  });
});
