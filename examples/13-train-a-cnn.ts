/**
 * 13. Train a small convolutional network.
 *
 * The images are generated, so nothing is downloaded. They show ten kinds of pattern. The network has three convolutions. The training
 * loop is written out: batch → logits → loss → gradients → update. `separable train` adds checkpoints and real images.
 *
 * Run: npx tsx examples/13-train-a-cnn.ts
 */

import * as s from "separable";

const { name, threads } = await s.initBackend(["wasm", "reference"]);
const images = s.syntheticImages({ trainCount: 2000, testCount: 500, seed: 1, height: 16, width: 16 });
const shape = (count: number) => ({ shape: [count, 3, 16, 16] });

// One seed decides every initial weight. A layer's position gives the names of its state: `0.weight`, `1.running_mean`, …
const build: s.Build = { random: new s.Random(7) };
const block = (from: number, to: number) => [new s.Conv2d(from, to, 3, build, { padding: 1 }), new s.BatchNorm2d(to, build), s.ReLU()];
const halve = s.MaxPool2d({ kernel: 2 });
const classify = [s.GlobalAvgPool2d(), new s.Linear(32, 10, build)];
const network = new s.Sequential(...block(3, 16), halve, ...block(16, 32), halve, ...block(32, 32), ...classify);
console.log(`${network.parameterCount()} parameters, ${name} backend, ${threads} thread(s)`);

const [epochs, batchSize] = [4, 50];
const optimizer = new s.Sgd([{ parameters: network.parameters(), weightDecay: 5e-4 }], { momentum: 0.9, nesterov: true });
const rate = s.oneCycle({ peak: 0.1, epochs });

async function accuracy(): Promise<number> {
  let correct = 0;
  for (const batch of s.epochBatches(images, "test", { batchSize, seed: 0, epoch: 0 })) {
    const classes = s.noGrad(() =>
      s.scope(() => s.argmax(network.forward(s.tensor(batch.images, shape(batch.count)), { training: false }))),
    );
    const answers = await classes.data();
    correct += batch.labels.filter((label, i) => label === answers[i]).length;
    classes.dispose();
  }
  return correct / images.test.count;
}

for (let epoch = 0; epoch < epochs; epoch++) {
  let total = 0;
  for (const batch of s.epochBatches(images, "train", { batchSize, seed: 3, epoch, shuffle: true })) {
    // The scope frees all tensors made inside it, except the one that it returns. So memory does not grow with the number of steps.
    const loss = s.scope(() => {
      const logits = network.forward(s.tensor(batch.images, shape(batch.count)), { training: true });
      const loss = s.crossEntropy(logits, batch.labels);
      optimizer.step(s.gradients(loss, optimizer.values), rate(epoch + (batch.index * batchSize) / images.train.count));
      return loss;
    });
    total += (await loss.item()) * batch.count;
    loss.dispose();
  }
  const average = total / images.train.count;
  console.log(`epoch ${epoch + 1}: training loss ${average.toFixed(3)}, test accuracy ${(100 * (await accuracy())).toFixed(1)} %`);
}
console.log(`peak memory ${(s.memory().peak / 2 ** 20).toFixed(1)} MiB`);
