/** Images that a visitor of the playground may have: a small cache of CIFAR-10, and a folder of pictures. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encode } from "fast-png";
import { Random } from "../../src/core/random.ts";
import { publishFolder } from "../../src/data/node/cached-folder.ts";

/** Writes a cache of CIFAR-10 with `count` records for each split. The images of a class have one colour and noise. */
export async function writeCifarCache(cache: string, count: number): Promise<void> {
  const random = new Random(0);
  const records = (): Uint8Array => {
    const bytes = new Uint8Array(count * 3073);
    for (let n = 0; n < count; n++) {
      const label = n % 10;
      bytes[n * 3073] = label;
      for (let i = 0; i < 3072; i++)
        bytes[n * 3073 + 1 + i] = ((label * 71 * (Math.floor(i / 1024) + 1)) % 200) + Math.floor(50 * random.uniform());
    }
    return bytes;
  };
  const files = ["data_batch_1.bin", "test_batch.bin"];
  await publishFolder({
    ...{ cache, name: "cifar-10-batches-bin", source: "a test", files },
    build: async (folder) => {
      for (const file of files) await writeFile(join(folder, file), records());
    },
  });
}

export const colours = { blue: [30, 40, 220], red: [220, 40, 30] } as const;

/** Writes a folder for each colour, with `each` PNG files of 40×24 pixels, and a file that is no picture. */
export async function writePictures(folder: string, each: number): Promise<void> {
  const random = new Random(1);
  const [width, height] = [40, 24];
  for (const [name, colour] of Object.entries(colours)) {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "notes.txt"), "no picture");
    for (let n = 0; n < each; n++) {
      const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => colour[i % 3]! + Math.floor(30 * random.uniform()));
      await writeFile(join(folder, name, `${n}.png`), encode({ width, height, data, channels: 3, depth: 8 }));
    }
  }
}
