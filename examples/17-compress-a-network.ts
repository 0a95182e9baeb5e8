/**
 * 17. Compress a trained network.
 *
 * The program trains a small dense network and replaces each 3×3 convolution by the nearest structured one. It prints the error of the
 * weights, the accuracy after the replacement, and the accuracy after one more epoch. `separable compress` does this with whole runs.
 *
 * Run: npx tsx examples/17-compress-a-network.ts
 */

import * as s from "separable";

await s.initBackend(["wasm", "reference"]);
const images = s.syntheticImages({ trainCount: 1600, testCount: 300, seed: 1, classes: 4, height: 16, width: 16 });
const imageShape = [3, 16, 16] as const;
const testBatches = () => s.epochBatches(images, "test", { batchSize: 100, seed: 0, epoch: 0 });

async function train(network: s.WideResNet, epochs: number, peak: number): Promise<void> {
  const trainer = new s.Trainer({
    model: network,
    optimizer: new s.Sgd(s.decayGroups(network, { full: 5e-4 }), { momentum: 0.9, nesterov: true }),
    schedule: s.oneCycle({ peak, epochs }),
    imageShape,
    batchesPerEpoch: 32,
    random: new s.Random(2),
  });
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const batch of s.epochBatches(images, "train", { batchSize: 50, seed: 3, epoch, shuffle: true })) await trainer.step(batch);
    trainer.progress = { ...trainer.progress, epoch: epoch + 1, step: 0 };
  }
}
const accuracy = async (network: s.WideResNet) => {
  const { accuracy } = (await s.evaluate(network, testBatches(), { imageShape, classes: 4 }))!;
  return `${(100 * accuracy).toFixed(1)} %`;
};

const dense = new s.WideResNet({ depth: 10, width: 1, classes: 4 }, { random: new s.Random(7) });
await train(dense, 3, 0.1);
console.log(`dense: ${dense.parameterCount()} parameters, accuracy ${await accuracy(dense)}`);

const specs: s.ConvolutionSpec[] = [
  { kind: "Sep" },
  { kind: "Generic", scale: 0.25 },
  { kind: "TensorTrain", scale: 0.5 },
  { kind: "Hashed", fraction: 0.2 },
];
for (const spec of specs) {
  const { network, parametersAfter, relativeError, layers } = await s.compress(dense, spec);
  const worst = layers.reduce((a, b) => (b.relativeError > a.relativeError ? b : a));
  const before = await accuracy(network);
  await train(network, 1, 0.05);
  const after = await accuracy(network);
  const error = `error of the weights ${relativeError.toFixed(3)}`;
  console.log(`${spec.kind}: ${parametersAfter} parameters, ${error}, accuracy ${before}, ${after} after an epoch`);
  console.log(`  worst: ${worst.name}, ${worst.relativeError.toFixed(3)} (${worst.separableError.toFixed(3)} by splitting it)`);
  network.dispose();
}
