/**
 * 2. The graph and its gradients.
 *
 * Every op leaves an origin on its result: its name, its inputs, and its VJP, which computes each input's cotangent from the output's.
 * `gradients` follows the origins backwards. The program prints a graph, takes gradients of first and second order, and checks both.
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

// The reference backend consists of plain loops. It also computes in float64, so the checks below can be strict.
await initBackend(["reference"]);
const x = tensor([0.5, -1, 2, 0.3], { shape: [2, 2], dtype: "float64" });
const w = tensor([0.1, 0.4, -0.7, 0.2], { shape: [2, 2], dtype: "float64" });

const loss = (x: Tensor, w: Tensor): Tensor => {
  const hidden = tanh(matmul(x, w));
  return sum(multiply(hidden, hidden));
};

/** Prints the op that made a tensor and, indented below it, the inputs of that op. */
function print(t: Tensor, indent = ""): void {
  const name = t === x ? "x" : t === w ? "w" : (t.origin?.op ?? "constant");
  console.log(`${indent}${name} [${t.shape.join(",")}]`);
  for (const input of t.origin?.inputs ?? []) print(input, `${indent}  `);
}
const y = loss(x, w);
print(y);

// `gradients` returns tensors. It stores nothing on x or w.
const [dx, dw] = gradients(y, [x, w]);
const numbers = async (x: Tensor) => Array.from(await x.data(), (v) => v.toFixed(6)).join("  ");
console.log("loss          ", await numbers(y));
console.log("∂L/∂x         ", await numbers(dx!));
console.log("∂L/∂w         ", await numbers(dw!));

// With createGraph the gradients have origins too, so you can differentiate them again. This is ∂/∂w of ‖∂L/∂x‖².
const [g] = gradients(loss(x, w), [x], { createGraph: true });
const [curvature] = gradients(sum(multiply(g!, g!)), [w]);
console.log("∂‖∂L/∂x‖²/∂w  ", await numbers(curvature!));

// Finite differences are the oracle: (f(x + ε) − f(x − ε))/2ε for every element. The check throws if a gradient is wrong.
const first = await checkGradients(loss, [x, w]);
const second = await checkSecondDerivatives(loss, [x, w]);
console.log(
  `largest error against finite differences: ${first.worst.toExponential(1)} first, ${second.worst.toExponential(1)} second derivatives`,
);
