/** CIFAR in miniature: a few records in the official layout, as a folder, an archive and an npm package, and servers of these. */

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { encode } from "fast-png";
import { packTar } from "modern-tar";
import { onTestFinished } from "vitest";
import {
  type CifarFormat,
  type CifarName,
  cifarFormats,
  cifarImage,
  encodeRecords,
  type RecordFile,
} from "../../../src/data/cifar-format.ts";
import type { ByteDataset, ByteSplit } from "../../../src/data/dataset.ts";
import type { NpmPackage } from "../../../src/data/node/npm-package.ts";
import { scrambledBytes } from "../arbitraries.ts";

/** The official format with 3 + 3 training and 4 test records. */
export function smallFormat(name: CifarName): CifarFormat {
  const shrink = (files: readonly RecordFile[], records: number) => files.slice(0, 2).map((file) => ({ ...file, records }));
  return { ...cifarFormats[name], train: shrink(cifarFormats[name].train, 3), test: shrink(cifarFormats[name].test, 4) };
}

/** The images of one file. They differ from file to file. */
export function smallRecords(format: CifarFormat, file: RecordFile): ByteSplit {
  const salt = file.name.length * 31 + (file.name.charCodeAt(11) || 0);
  return {
    images: scrambledBytes(file.records * cifarImage.bytes, salt),
    labels: scrambledBytes(file.records, salt + 1).map((byte) => byte % format.classes.length),
    count: file.records,
  };
}

/** The files of the official archive by name. */
export function officialFiles(format: CifarFormat): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const file of [...format.train, ...format.test]) {
    const records = smallRecords(format, file);
    files.set(file.name, encodeRecords(format, records, new Uint8Array(file.records).fill(1)));
  }
  return files.set(format.classesFile, new TextEncoder().encode(`${format.classes.join("\n")}\n`));
}

/** The split that these files hold. */
export function expectedSplit(format: CifarFormat, split: "train" | "test"): { images: number[]; labels: number[] } {
  const parts = format[split].map((file) => smallRecords(format, file));
  return { images: parts.flatMap((part) => [...part.images]), labels: parts.flatMap((part) => [...part.labels]) };
}

/** A split as plain lists, for comparisons. */
export const plain = (split: ByteDataset["train"]) => ({ images: [...split.images], labels: [...split.labels] });

/** A .tar.gz of files in one folder. */
export async function archiveOf(folder: string, files: Iterable<readonly [string, Uint8Array]>): Promise<Uint8Array> {
  const entries = [...files].map(([name, data]) => ({
    header: { name: `${folder}/${name}`, size: data.length, type: "file" as const },
    data,
  }));
  return gzipSync(await packTar(entries));
}

/** The files of the npm package: PNGs in which each row is an image, and lists of labels. */
export function packageFiles(format: CifarFormat): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>([["package.json", new TextEncoder().encode("{}")]]);
  for (const split of ["train", "test"] as const) {
    for (const file of format[split]) {
      const { images } = smallRecords(format, file);
      const data = new Uint8Array(images.length);
      for (let n = 0; n < file.records; n++)
        for (let c = 0; c < 3; c++) for (let p = 0; p < 1024; p++) data[(n * 1024 + p) * 3 + c] = images[(n * 3 + c) * 1024 + p]!;
      files.set(file.name.replace(".bin", ".png"), encode({ width: 1024, height: file.records, data, channels: 3, depth: 8 }));
    }
    files.set(`${split}_lables.json`, new TextEncoder().encode(JSON.stringify(expectedSplit(format, split).labels)));
  }
  return files;
}

/** A new folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "separable-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files into a new folder below `parent`. */
export async function writeFolder(parent: string, name: string, files: Iterable<readonly [string, Uint8Array]>): Promise<string> {
  const folder = join(parent, name);
  await mkdir(folder, { recursive: true });
  for (const [file, bytes] of files) await writeFile(join(folder, file), bytes);
  return folder;
}

/** Everything below a folder, sorted. */
export const listFolder = async (folder: string): Promise<string[]> => (await readdir(folder, { recursive: true }).catch(() => [])).sort();

/** Starts a server on the loopback interface that is closed after the test. @returns its address. */
export async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Announces the whole body, sends its first bytes, and closes the connection. */
export function cutOff(response: ServerResponse, status: number, headers: Record<string, string | number>, part: Uint8Array): void {
  response.writeHead(status, headers);
  response.write(part, () => response.destroy());
}

/**
 * An address at which no server listens. A port that was free a moment ago would not do: a server of another test may get it. Systems hand
 * out no port below 1024, and no service uses port 1 today.
 */
export const deadAddress = "http://127.0.0.1:1";

export const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("hex");

export function npmPackageOf(archive: Uint8Array): NpmPackage {
  return { spec: "some-images@1.2.3", integrity: `sha512-${createHash("sha512").update(archive).digest("base64")}`, bytes: archive.length };
}

/** A script in place of npm. It runs `body` in the folder and with the arguments that npm would get. */
export async function fakeNpm(body: string): Promise<readonly string[]> {
  const script = join(await temporaryFolder(), "fake-npm.mjs");
  await writeFile(script, `import { writeFileSync } from "node:fs";\nconst args = process.argv.slice(2);\n${body}\n`);
  return [process.execPath, script];
}

/** A script in place of npm that delivers these bytes, and only to the right command. */
export const fakeNpmDelivering = (archive: Uint8Array): Promise<readonly string[]> =>
  fakeNpm(
    `const expected = args[0] === "pack" && args[1] === "some-images@1.2.3" && args.includes("--ignore-scripts");
     if (!expected) throw new Error("unexpected " + args.join(" "));
     writeFileSync("some-images-1.2.3.tgz", Buffer.from("${Buffer.from(archive).toString("base64")}", "base64"));`,
  );

/** A script in place of an npm that finds no registry. */
export const fakeNpmOffline = (): Promise<readonly string[]> =>
  fakeNpm(`console.error("npm error code ENOTFOUND\\nnpm error network getaddrinfo failed"); process.exit(1);`);
