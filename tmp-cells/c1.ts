import { Adam, crossEntropy, gradients, initBackend, Lambda, Linear, Random, scope, Sequential, tanh, tensor } from "separable";

await initBackend(["wasm", "reference"]);
// Two spirals of 60 points each.
const points = Array.from({ length: 120 }, (_, i) => {
  const [turn, radius] = [((i >> 1) / 60) * 7 + (i % 2) * Math.PI, (i >> 1) / 60 + 0.1];
  return [radius * Math.cos(turn), radius * Math.sin(turn)];
});
const labels = points.map((_, i) => i % 2);

const build = { random: new Random(0) };
const network = new Sequential(new Linear(2, 32, build), new Lambda(tanh), new Linear(32, 32, build), new Lambda(tanh), new Linear(32, 2, build));
const optimizer = new Adam([{ parameters: network.parameters() }]);
const x = tensor(points);

for (let step = 0; step <= 200; step++) {
  // A scope frees every tensor of the step but those that it returns.
  const loss = scope(() => {
    const loss = crossEntropy(network.forward(x, { training: true }), labels);
    optimizer.step(gradients(loss, optimizer.values), 0.01);
    return loss;
  });
  if (step % 50 === 0) console.log(step, (await loss.item()).toFixed(2));
}

export {};
