/**
 * 1. Tensors and broadcasting.
 *
 * A tensor is a shape on a flat buffer. Ops are functions, not methods: `add(a, b)`. The active backend computes them.
 * An op returns at once. You wait for numbers in one place only: `await t.data()`.
 *
 * Run: npx tsx examples/01-tensors.ts
 */

import { add, einsum, initBackend, matmul, mean, multiply, reshape, type Tensor, tensor, variance } from "separable";

const show = async (name: string, x: Tensor): Promise<void> => {
  const values = Array.from(await x.data(), (v) => Number(v.toFixed(4)));
  console.log(`${name}  [${x.shape.join(",")}]  ${values.join(" ")}`);
};

// Name the backends in order of preference. The first one that runs here is chosen.
const backend = await initBackend(["wasm", "reference"]);
console.log(`backend: ${backend.name}, ${backend.threads} thread(s)`);

// Nested arrays have a shape. A typed array is flat, so you give its shape.
const matrix = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);
const row = tensor([10, 20, 30]);
const column = tensor(new Float32Array([100, 200]), { shape: [2, 1] });

// Broadcasting follows NumPy: shapes are aligned at the last axis, and an axis that is missing or has size 1 is repeated.
await show("matrix + row           ", add(matrix, row)); //          [2,3] + [3]
await show("matrix + column        ", add(matrix, column)); //       [2,3] + [2,1]
await show("row + column           ", add(row, column)); //          [3]   + [2,1] → [2,3]
await show("matrix · 0.5           ", multiply(matrix, 0.5));

// A matrix product can transpose its operands. The transpose costs nothing, because it only changes the order of reading.
await show("matrix · matrixᵀ       ", matmul(matrix, matrix, { transposeB: true }));

// Einstein summation writes any contraction in one line. These are a trace, an outer product and a weighted sum.
await show("trace of M·Mᵀ          ", einsum("ij,ij->", matrix, matrix));
await show("outer product          ", einsum("i,j->ij", reshape(column, [2]), row));
await show("Σ_ij c_i M_ij r_j      ", einsum("i,ij,j->", reshape(column, [2]), matrix, row));

// A reduction names its axes. With keepDims the reduced axis stays, with size 1, so the result broadcasts with the input.
await show("mean of each row       ", mean(matrix, { axes: 1 }));
await show("variance of each column", variance(matrix, { axes: 0, keepDims: true }));

// Shapes that do not fit throw an error. The error names the op, the rule and the shapes.
try {
  add(matrix, tensor([1, 2]));
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`);
}
