/**
 * 4. Check a gradient.
 *
 * A VJP is easy to get wrong. Finite differences do not know the VJP, so they can judge it. The program shows how their error depends on
 * the step, lets the library's check judge a correct op, and then an op of ours with a mistake in its VJP.
 *
 * Run: npx tsx examples/04-check-a-gradient.ts
 */

import * as s from "separable";

await s.initBackend(["reference"]);

// d sin/dx at 1 is cos 1. A large step ε leaves a remainder of order ε², and a small one divides a rounding error by ε.
for (const step of [1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-11]) {
  const difference = (Math.sin(1 + step) - Math.sin(1 - step)) / (2 * step);
  console.log(`ε = ${step.toExponential(0)}: error ${Math.abs(difference - Math.cos(1)).toExponential(1)}`);
}

/** y = x³, element by element. The op computes in its body, and states its VJP beside it: x̄ = factor·x²·ȳ. */
const cube = (factor: number) =>
  s.differentiable("cube", (x: s.Tensor) => ({
    inputs: [x],
    value: s.multiply(x, s.multiply(x, x)),
    vjp: [(g) => s.multiply(g, s.multiply(s.multiply(x, x), factor))],
  }));

const x = s.normal([2, 3], new s.Random(0), { dtype: "float64" });
const correct = cube(3);
const wrong = cube(2);

const { worst } = await s.checkGradients((at) => s.sum(correct(at!)), [x]);
console.log(`3·x²·ȳ: largest error of six derivatives ${worst.toExponential(1)}`);
try {
  await s.checkGradients((at) => s.sum(wrong(at!)), [x]);
} catch (error) {
  console.log(`2·x²·ȳ: ${(error as Error).message.split("\n")[0]}`);
}

// A VJP that is written with ops can be differentiated again. The second derivative of x³ is 6·x.
const second = await s.checkSecondDerivatives((at) => s.sum(correct(at!)), [x]);
console.log(`second derivatives: largest error ${second.worst.toExponential(1)}`);
