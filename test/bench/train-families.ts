/**
 * Trains WRN-10-1 on CIFAR-10 with each kind of convolution for the same number of steps: `npm run bench:families -- --steps 300`. Prints
 * as Markdown after how many steps the loss falls below a mark, which is the mean of the dense network's first loss, ln 10, and its last.
 */

import { parseArgs } from "node:util";
import { compressionRatio } from "../../src/experiment/compression-ratio.ts";
import type { NetworkSpec } from "../../src/experiment/network-spec.ts";
import { cifarAugmentation, decayGroups, epochBatches, initBackend, oneCycle, Random, Sgd, Trainer, WideResNet } from "../../src/index.ts";
import { enableRelaxedSimd, loadCifar } from "../../src/node.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";

const specs = [
  "Conv",
  "Sep",
  "ACDC_3",
  "ACDC_15",
  "OriginalACDC_3",
  "PlainACDC_3",
  "Hashed_0.1",
  "HashedDecimate",
  "SepHashed_0.2",
  "SepHashedDecimate",
  "HashedSeparable_0.2",
  "Generic_0.25",
  "LR_0.25",
  "TensorTrain_0.5",
  "Tucker_0.5",
  "CP_0.5",
  "Shuffle_4",
  "Monarch_4",
  "BlockTensorTrain_2",
  "MatrixTensorTrain_8",
  "Kronecker_4",
  "BLAST_0.5",
  "Butterfly",
];

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "300" },
    batch: { type: "string", default: "64" },
    threads: { type: "string", default: "1" },
    only: { type: "string", multiple: true },
  },
});
const [steps, batchSize, threads] = [Number(values.steps), Number(values.batch), Number(values.threads)];
/** The number of steps over which losses are averaged, because the loss of one batch varies much. */
const window = 20;

enableRelaxedSimd();
await initBackend(["wasm"], { threads });
const { dataset } = await loadCifar({ name: "cifar10" });

async function train(text: string): Promise<{ parameters: number; ratio: number; losses: number[]; seconds: number }> {
  const convolution = parseConvolution(text);
  const network: NetworkSpec = { kind: "wrn", depth: 10, width: 1, dropout: 0, convolution };
  const root = new Random(1);
  const model = new WideResNet({ depth: 10, width: 1, convolution: convolutionFactory(convolution) }, { random: root.fork(0) });
  const ratio = compressionRatio(network, 10, model);
  const trainer = new Trainer({
    model,
    optimizer: new Sgd(decayGroups(model, { full: 5e-4, compressed: 5e-4 * ratio }), { momentum: 0.9, nesterov: true }),
    schedule: oneCycle({ peak: 0.1, epochs: steps }),
    imageShape: [3, 32, 32],
    batchesPerEpoch: 1,
    random: root.fork(2),
  });
  const losses: number[] = [];
  const start = performance.now();
  const batches = epochBatches(dataset, "train", { batchSize, seed: 7, epoch: 0, shuffle: true, augment: cifarAugmentation });
  for (const batch of batches) {
    if (losses.length === steps) break;
    losses.push((await trainer.step(batch)).loss);
    trainer.finishEpoch(undefined, 0);
  }
  const parameters = model.parameterCount();
  model.dispose();
  return { parameters, ratio, losses, seconds: (performance.now() - start) / 1000 };
}

const smoothed = (losses: readonly number[], end: number): number =>
  losses.slice(Math.max(0, end - window), end).reduce((a, b) => a + b, 0) / Math.min(window, end);

console.log(`WRN-10-1, CIFAR-10, ${steps} steps of ${batchSize}, ${threads} thread(s)\n`);
console.log("| convolution | parameters | share | first loss | last loss | below the mark after |\n| --- | --: | --: | --: | --: | --: |");
let mark = Number.NaN;
for (const text of specs.filter((spec) => spec === "Conv" || (values.only ?? specs).includes(spec))) {
  const { parameters, ratio, losses } = await train(text);
  const last = smoothed(losses, losses.length);
  if (text === "Conv") mark = (Math.log(10) + last) / 2;
  const crossed = losses.findIndex((_, i) => i + 1 >= window && smoothed(losses, i + 1) < mark);
  const cells = [text, parameters.toLocaleString("en-US"), `${(100 * ratio).toFixed(1)} %`, losses[0]!.toFixed(3), last.toFixed(3)];
  console.log(`| ${cells.join(" | ")} | ${crossed < 0 ? "never" : `${crossed + 1} steps`} |`);
}
console.log(`\nmark: ${mark.toFixed(3)}`);
process.exit(0);
