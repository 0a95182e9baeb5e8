/**
 * 9. Batch norm, and why its gradient has three terms.
 *
 * y = (x − μ)/σ, where mean μ and deviation σ are those of the batch. Each x moves its own y, and it moves μ and σ, which all y share. The
 * program writes the norm with plain ops, lets `gradients` differentiate it, and compares with the formula and with the fused op.
 *
 * Run: npx tsx examples/09-batch-norm.ts
 */

import * as s from "separable";

await s.initBackend(["reference"]);
const random = new s.Random(2);
const [batch, channels, size] = [8, 3, 4];
const shape = [batch, channels, size, size];
const axes = [0, 2, 3];
const epsilon = 1e-5;
const x = s.add(s.multiply(s.normal(shape, random, { dtype: "float64" }), 3), 5);
const g = s.normal(shape, random, { dtype: "float64" });

const over = { axes, keepDims: true };
const biased = { ...over, correction: 0 };
const normalised = (x: s.Tensor): s.Tensor => {
  const deviation = s.sqrt(s.add(s.variance(x, biased), epsilon));
  return s.divide(s.subtract(x, s.mean(x, over)), deviation);
};
const y = normalised(x);
const [composed] = s.gradients(s.sum(s.multiply(y, g)), [x]);

// x̄ = (ȳ − mean(ȳ) − y·mean(ȳ·y))/σ (Ioffe & Szegedy 2015): the path of x itself, the path through μ, and the path through σ.
const sigma = s.sqrt(s.add(s.variance(x, biased), epsilon));
const throughMean = s.mean(g, over);
const throughDeviation = s.multiply(y, s.mean(s.multiply(g, y), over));
const formula = s.divide(s.subtract(s.subtract(g, throughMean), throughDeviation), sigma);

// The library's op is one pass over the memory forwards, and one backwards. γ = 1 and β = 0 here.
const [gamma, beta] = [s.ones([channels], { dtype: "float64" }), s.zeros([channels], { dtype: "float64" })];
const { y: fused } = s.batchNorm(x, gamma, beta, epsilon);
const [fusedGradient] = s.gradients(s.sum(s.multiply(fused, g)), [x]);

const show = async (name: string, a: s.Tensor, b: s.Tensor) => {
  const [left, right] = [await a.data(), await b.data()];
  const apart = Math.max(...Array.from(left, (value, i) => Math.abs(value - right[i]!)));
  console.log(`${name}: ${apart < 1e-12 ? "equal to 12 digits" : `apart by ${apart.toExponential(1)}`}`);
};
await show("formula and `gradients`     ", formula, composed!);
await show("fused gradient and formula  ", fusedGradient!, formula);
await show("fused value and plain ops   ", fused, y);

// The norm takes away the scale and the mean of x. So the gradient has no component along either of them.
console.log(
  "Σ x̄ of each channel is 0:    ",
  (await s.sum(composed!, { axes }).data()).every((value) => Math.abs(value) < 1e-10),
);
console.log(
  "Σ x̄·y is almost 0 (ε remains):",
  (await s.sum(s.multiply(composed!, y), { axes }).data()).every((value) => Math.abs(value) < 1e-4),
);
