/**
 * 5. Fit a line.
 *
 * The program finds slope and intercept of noisy points by gradient descent: predict, measure, differentiate, step. Training a network is
 * the same loop with more parameters. Least squares has a closed form, which tells whether the loop has found the best line.
 *
 * Run: npx tsx examples/05-fit-a-line.ts
 */

import * as s from "separable";

await s.initBackend(["wasm", "reference"]);
const random = new s.Random(4);
const count = 100;
const xs = Array.from({ length: count }, () => 4 * random.uniform() - 2);
const ys = xs.map((x) => 1.5 * x - 0.7 + 0.3 * random.normal());
const [x, y] = [s.tensor(xs), s.tensor(ys)];

let [slope, intercept] = [s.tensor(0), s.tensor(0)];
for (let step = 0; step <= 60; step++) {
  const loss = s.meanSquaredError(s.add(s.multiply(x, slope), intercept), y);
  const [toSlope, toIntercept] = s.gradients(loss, [slope, intercept]);
  // θ ← θ − 0.1·∂L/∂θ, for both parameters. Without noGrad, the graph would grow over all steps.
  s.noGrad(() => {
    slope = s.subtract(slope, s.multiply(toSlope!, 0.1));
    intercept = s.subtract(intercept, s.multiply(toIntercept!, 0.1));
  });
  if (step % 20 === 0) console.log(`step ${String(step).padStart(2)}: mean squared error ${(await loss.item()).toFixed(4)}`);
}
console.log(`descent:       y = ${(await slope.item()).toFixed(4)}·x + ${(await intercept.item()).toFixed(4)}`);

// The best line: slope = cov(x, y)/var(x), and it passes through the means.
const average = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const [meanX, meanY] = [average(xs), average(ys)];
const covariance = average(xs.map((value, i) => (value - meanX) * (ys[i]! - meanY)));
const best = covariance / average(xs.map((value) => (value - meanX) ** 2));
console.log(`least squares: y = ${best.toFixed(4)}·x + ${(meanY - best * meanX).toFixed(4)}`);
