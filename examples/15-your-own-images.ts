/**
 * 15. Train on your own images.
 *
 * A folder of images becomes a data set: each of its folders is a class. The program writes such a folder first, with pictures of stripes
 * that lie or stand. Put the path of your pictures there instead. A saved model carries its classes and its normalisation.
 *
 * Run: npx tsx examples/15-your-own-images.ts
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as s from "separable";
import { imageFolder, loadModel, type Picture, picturePng, saveModel } from "separable/node";

await s.initBackend(["wasm", "reference"]);
const folder = mkdtempSync(join(tmpdir(), "pictures-"));
const pictures = join(folder, "pictures");
const random = new s.Random(3);

/** A picture of 16×16 pixels, with stripes that stand or lie, in two random colours. */
function stripes(standing: boolean): Picture {
  const [colours, width] = [Array.from({ length: 6 }, () => random.uniform()), 2 + 3 * random.uniform()];
  const values = Array.from({ length: 16 * 16 * 3 }, (_, at) => {
    const pixel = Math.floor(at / 3);
    const along = standing ? pixel % 16 : Math.floor(pixel / 16);
    return colours[(at % 3) + 3 * (Math.floor(along / width) % 2)]!;
  });
  return { width: 16, height: 16, channels: 3, values };
}
for (const name of ["lying", "standing"]) {
  mkdirSync(join(pictures, name), { recursive: true });
  for (let i = 0; i < 100; i++) writeFileSync(join(pictures, name, `${i}.png`), picturePng(stripes(name === "standing")));
}

// A fifth of each class is kept for the test.
const data = await imageFolder(pictures, { size: 16 });
if (s.isStreamed(data)) throw new Error("so few images should be in memory");
console.log(`${data.classes.join(" and ")}: ${data.train.count} images to train on, ${data.test.count} to test on`);

const [epochs, imageShape] = [4, [3, 16, 16]] as const;
const network = new s.WideResNet({ depth: 10, width: 1, classes: data.classes.length }, { random: new s.Random(0) });
const optimizer = new s.Sgd([{ parameters: network.parameters() }], { momentum: 0.9 });
const schedule = s.oneCycle({ peak: 0.1, epochs });
const trainer = new s.Trainer({ model: network, optimizer, schedule, imageShape, batchesPerEpoch: 8, random: new s.Random(1) });
// Images that do not fit into the memory stay on the disk. For them, write prefetchBatches of separable/node instead of epochBatches.
const trainBatches = (epoch: number) => s.epochBatches(data, "train", { batchSize: 20, seed: 0, epoch, shuffle: true });
const testBatches = () => s.epochBatches(data, "test", { batchSize: 20, seed: 0, epoch: 0 });
await s.trainEpochs(trainer, { epochs, classes: 2, trainBatches, testBatches });

const { mean, std, classes } = data;
const file = join(folder, "stripes.safetensors");
await saveModel(file, network, { classes, normalization: { mean, std } });
const saved = await loadModel(file);
const { accuracy } = (await s.evaluate(saved.network, testBatches(), { imageShape, classes: 2 }))!;
console.log(`the network of the file knows ${saved.classes!.join(" and ")}: accuracy ${(100 * accuracy).toFixed(1)} %`);
rmSync(folder, { recursive: true });
