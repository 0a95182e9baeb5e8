/**
 * 14. Train a WideResNet in fifteen lines.
 *
 * The network is the paper's WRN-10-1 with depthwise separable convolutions. `loadCifar` of separable/node gives data of the same type as
 * `syntheticImages`. So the same lines train on CIFAR-10, with 32×32 images.
 *
 * Run: npx tsx examples/14-wide-resnet-in-15-lines.ts
 */

import * as s from "separable";

await s.initBackend(["wasm", "reference"]);
const data = s.syntheticImages({ trainCount: 1000, testCount: 200, seed: 0, height: 16, width: 16 });
const model = new s.WideResNet({ depth: 10, width: 1, convolution: s.Sep }, { random: new s.Random(0) });
const optimizer = new s.Sgd(s.decayGroups(model, { full: 5e-4 }), { momentum: 0.9, nesterov: true });
const [epochs, imageShape] = [4, [3, 16, 16]] as const;
const schedule = s.oneCycle({ peak: 0.1, epochs });
const trainer = new s.Trainer({ model, optimizer, schedule, imageShape, batchesPerEpoch: 40, random: new s.Random(1) });
const options = { batchSize: 25, seed: 1 };
const trainBatches = (epoch: number, startBatch: number) => s.epochBatches(data, "train", { ...options, epoch, startBatch, shuffle: true });
const testBatches = () => s.epochBatches(data, "test", { ...options, epoch: 0 });
await s.trainEpochs(trainer, { epochs, classes: 10, trainBatches, testBatches });
const { accuracy } = (await s.evaluate(model, testBatches(), { imageShape, classes: 10 }))!;
console.log(`${model.parameterCount()} parameters, test accuracy ${(100 * accuracy).toFixed(1)} %`);
