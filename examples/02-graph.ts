/**
 * 2. The graph, and whether its gradients are right.
 *
 * Every op leaves an origin on its result: its name, its inputs, and a function from the output's cotangent to each input's (its VJP).
 * `gradients` walks those origins backwards. Here we print a graph, take gradients of first and second order, and check both.
 *
 * Run: npx tsx examples/02-graph.ts
 */

import {
  checkGradients,
  checkSecondDerivatives,
  gradients,
  initBackend,
  matmul,
  multiply,
  sum,
  type Tensor,
  tanh,
  tensor,
} from "separable";

// float64 on the reference backend: plain loops, made to be read and to be believed.
await initBackend(["reference"]);
const x = tensor([0.5, -1, 2, 0.3], { shape: [2, 2], dtype: "float64" });
const w = tensor([0.1, 0.4, -0.7, 0.2], { shape: [2, 2], dtype: "float64" });

const loss = (x: Tensor, w: Tensor): Tensor => {
  const hidden = tanh(matmul(x, w));
  return sum(multiply(hidden, hidden));
};

/** One line per tensor: the op that made it, and below it, indented, what it was made from. */
function print(t: Tensor, indent = ""): void {
  const name = t === x ? "x" : t === w ? "w" : (t.origin?.op ?? "constant");
  console.log(`${indent}${name} [${t.shape.join(",")}]`);
  for (const input of t.origin?.inputs ?? []) print(input, `${indent}  `);
}
const y = loss(x, w);
print(y);

// Gradients are values like any other: nothing is stored on x or w.
const [dx, dw] = gradients(y, [x, w]);
const numbers = async (x: Tensor) => Array.from(await x.data(), (v) => v.toFixed(6)).join("  ");
console.log("loss          ", await numbers(y));
console.log("∂L/∂x         ", await numbers(dx!));
console.log("∂L/∂w         ", await numbers(dw!));

// With createGraph they have origins of their own and can be differentiated again: here ∂/∂w of ‖∂L/∂x‖².
const [g] = gradients(loss(x, w), [x], { createGraph: true });
const [curvature] = gradients(sum(multiply(g!, g!)), [w]);
console.log("∂‖∂L/∂x‖²/∂w  ", await numbers(curvature!));

// The oracle: (f(x + ε) − f(x − ε))/2ε for every element. It throws when a gradient is off, and tells the worst error when none is.
const first = await checkGradients(loss, [x, w]);
const second = await checkSecondDerivatives(loss, [x, w]);
console.log(
  `largest error against finite differences: ${first.worst.toExponential(1)} first, ${second.worst.toExponential(1)} second derivatives`,
);
