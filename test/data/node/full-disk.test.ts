import { Writable } from "node:stream";
import { expect, it, vi } from "vitest";
import { DataError } from "../../../src/core/errors.ts";
import { DataUnavailableError } from "../../../src/data/data-unavailable-error.ts";
import { loadCifarOrSynthetic } from "../../../src/data/node/cifar.ts";
import { archiveOf, listFolder, md5, officialFiles, serve, smallFormat, temporaryFolder } from "./small-cifar.ts";

const failure = vi.hoisted(() => ({ code: "ENOSPC" }));

// A full disk takes the place of the disk to which files are unpacked.
vi.mock("modern-tar/fs", () => ({
  unpackTar: () =>
    new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error(`${failure.code}: write`), { code: failure.code })),
    }),
}));

it.each([
  ["ENOSPC", /the disk holding .* must have room .* got ENOSPC; free space or set SEPARABLE_CACHE/],
  ["EDQUOT", /the disk holding .* must have room .* got EDQUOT; free space or set SEPARABLE_CACHE/],
  ["EROFS", /must be writable, got EROFS; change its permissions or set SEPARABLE_CACHE/],
])("%s during unpacking is an error with a remedy, and no file is left", async (code, message) => {
  failure.code = code;
  const format = smallFormat("cifar10");
  const archive = await archiveOf(format.folder, officialFiles(format));
  const url = await serve((_, response) => void response.writeHead(200, { "Content-Length": archive.length }).end(archive));
  const cache = await temporaryFolder();
  const error: unknown = await loadCifarOrSynthetic({
    name: "cifar10",
    format,
    cache,
    sources: { archive: { url, md5: md5(archive) } },
  }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(DataError);
  expect(error).not.toBeInstanceOf(DataUnavailableError);
  expect(String(error)).toMatch(message);
  expect(await listFolder(cache)).toEqual([]);
});
