/** Folders of small pictures, written by the library that decodes them. Tests of the decoded values are in decode-image.test.ts. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { Random } from "../../../src/core/random.ts";

/** A picture of noise around a colour of its own, by its seed. */
export async function picture(seed: number, width = 12, height = 10, format: "png" | "jpeg" | "webp" = "png"): Promise<Buffer> {
  const random = new Random(seed);
  const level = [random.integer(200), random.integer(200), random.integer(200)];
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => level[i % 3]! + random.integer(56));
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();
}

/** Writes files below `root`. Text stands for itself, and a number for the picture with this seed. */
export async function writeFolder(root: string, files: Readonly<Record<string, string | number | Uint8Array>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    const format = /\.jpe?g$/i.test(path) ? "jpeg" : path.endsWith(".webp") ? "webp" : "png";
    await writeFile(join(root, path), typeof content === "number" ? await picture(content, 12, 10, format) : content);
  }
}

/** `count` pictures a class, named by number. */
export const classesOf = (names: readonly string[], count: number, below = "", first = 0): Record<string, number> =>
  Object.fromEntries(
    names.flatMap((name, k) => Array.from({ length: count }, (_, i) => [`${below}${name}/${i}.png`, first + 100 * k + i] as const)),
  );
