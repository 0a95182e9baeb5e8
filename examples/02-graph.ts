/**
 * 2. The graph and its gradients.
 *
 * Every op leaves an origin on its result: its name, its inputs, and its VJP, which computes each input's cotangent from the output's.
 * `gradients` follows the origins backwards. The program prints a graph with the value and the gradient of each
 * tensor, takes gradients of second order, and checks all of them.
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

/** The tensors that y was computed from, y first. */
const graph = (y: Tensor): Tensor[] => [y, ...(y.origin?.inputs ?? []).flatMap(graph)];
const numbers = async (x: Tensor) => Array.from(await x.data(), (v) => v.toFixed(6)).join("  ");

// `gradients` returns a tensor for each tensor asked for. It stores nothing on them. Here all tensors of the graph are asked for.
const y = loss(x, w);
const nodes = [...new Set(graph(y))];
const cotangents = gradients(y, nodes);
for (const [i, node] of nodes.entries()) {
  const name = node === x ? "x" : node === w ? "w" : node.origin!.op;
  console.log(`${name.padEnd(9)} ${`[${node.shape}]`.padEnd(6)} value ${await numbers(node)}`);
  console.log(`${" ".repeat(16)} ∂L/∂·  ${await numbers(cotangents[i]!)}`);
}

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
