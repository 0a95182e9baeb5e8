/**
 * 16. Attention transfer from a teacher.
 *
 * A small network learns more from a large trained one than from the labels alone. It copies where the large network looks: the attention
 * map of a feature x:[N,C,H,W] is mean_c x², divided by its norm (Zagoruyko & Komodakis 2017). The paper trains its structured networks so.
 *
 * Run: npx tsx examples/16-attention-transfer.ts
 */

import * as s from "separable";

await s.initBackend(["wasm", "reference"]);
const images = s.syntheticImages({ trainCount: 1000, testCount: 300, seed: 1, height: 16, width: 16 });
const imageShape = [3, 16, 16] as const;
const batches = (epoch: number) => s.epochBatches(images, "train", { batchSize: 50, seed: 3, epoch, shuffle: true });
const testBatches = () => s.epochBatches(images, "test", { batchSize: 100, seed: 0, epoch: 0 });

/** Trains the network, and returns its accuracy on the test images as text. */
async function train(network: s.WideResNet, epochs: number, objective: s.Objective): Promise<string> {
  const optimizer = new s.Sgd(s.decayGroups(network, { full: 5e-4 }), { momentum: 0.9, nesterov: true });
  const schedule = s.oneCycle({ peak: 0.1, epochs });
  const common = { imageShape, batchesPerEpoch: 20, random: new s.Random(2) };
  const trainer = new s.Trainer({ model: network, optimizer, schedule, objective, ...common });
  await s.trainEpochs(trainer, { epochs, classes: 10, trainBatches: batches, testBatches });
  const { accuracy } = (await s.evaluate(network, testBatches(), { imageShape, classes: 10 }))!;
  return `${network.parameterCount()} parameters, accuracy ${(100 * accuracy).toFixed(1)} %`;
}

const teacher = new s.WideResNet({ depth: 10, width: 2 }, { random: new s.Random(7) });
console.log(`teacher:             ${await train(teacher, 5, s.learnFromLabels(teacher))}`);

// The student has the teacher's depth and structured convolutions. Its maps have the sizes of the teacher's, whatever its width is. It needs
// some epochs to follow: after three of them, the taught student is still behind the other.
const studentOf = () =>
  new s.WideResNet({ depth: 10, width: 1, convolution: s.convolutionFactory({ kind: "Monarch", blocks: 4 }) }, { random: new s.Random(8) });

const alone = studentOf();
console.log(`student alone:       ${await train(alone, 6, s.learnFromLabels(alone))}`);

// The loss is cross-entropy + (3β/M)·Σ_m mean (q_m^student − q_m^teacher)², over the M = 3 groups. With α = 0 the teacher's logits do not count.
const taught = studentOf();
const teaching: s.Teaching = { teacher, alpha: 0, temperature: 4, beta: 100 };
console.log(`student and teacher: ${await train(taught, 6, s.createObjective(taught, { teaching }))}`);

// How far apart the maps of ten images are, for each student.
const x = s.tensor([...testBatches()][0]!.images.subarray(0, 10 * 3 * 16 * 16), { shape: [10, ...imageShape] });
const mapsOf = (network: s.WideResNet) => s.noGrad(() => network.forwardWithAttention(x, { training: false }).attention);
for (const [name, network] of [
  ["alone", alone],
  ["taught", taught],
] as const)
  console.log(`attention apart, ${name}: ${(await s.attentionTransfer(mapsOf(network), mapsOf(teacher), 1000).item()).toFixed(3)}`);
