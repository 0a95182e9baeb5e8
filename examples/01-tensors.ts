/**
 * 1. Tensors and broadcasting.
 *
 * A tensor is a shape on a flat buffer. Ops are functions, not methods: `add(a, b)`. They are dispatched at once and computed by the
 * active backend; `await t.data()` is the one place where you wait for numbers.
 *
 * Run: npx tsx examples/01-tensors.ts
 */

import { add, einsum, initBackend, matmul, mean, multiply, reshape, type Tensor, tensor, variance } from "separable";

const show = async (name: string, x: Tensor): Promise<void> => {
  const values = Array.from(await x.data(), (v) => Number(v.toFixed(4)));
  console.log(`${name}  [${x.shape.join(",")}]  ${values.join(" ")}`);
};

// A backend is chosen once, in order of preference, and says what it is.
const backend = await initBackend(["wasm", "reference"]);
console.log(`backend: ${backend.name}, ${backend.threads} thread(s)`);

// Nested arrays carry their shape; typed arrays take one.
const matrix = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);
const row = tensor([10, 20, 30]);
const column = tensor(new Float32Array([100, 200]), { shape: [2, 1] });

// Broadcasting is NumPy's: align shapes at the last axis; a size of 1, or a missing axis, repeats.
await show("matrix + row           ", add(matrix, row)); //          [2,3] + [3]
await show("matrix + column        ", add(matrix, column)); //       [2,3] + [2,1]
await show("row + column           ", add(row, column)); //          [3]   + [2,1] → [2,3]
await show("matrix · 0.5           ", multiply(matrix, 0.5));

// Matrix products take transposes as options that cost nothing.
await show("matrix · matrixᵀ       ", matmul(matrix, matrix, { transposeB: true }));

// Einstein summation says any contraction in one line: here a trace, an outer product and a weighted sum.
await show("trace of M·Mᵀ          ", einsum("ij,ij->", matrix, matrix));
await show("outer product          ", einsum("i,j->ij", reshape(column, [2]), row));
await show("Σ_ij c_i M_ij r_j      ", einsum("i,ij,j->", reshape(column, [2]), matrix, row));

// Reductions name their axes; keepDims leaves a 1 behind, ready to broadcast again.
await show("mean of each row       ", mean(matrix, { axes: 1 }));
await show("variance of each column", variance(matrix, { axes: 0, keepDims: true }));

// Shapes that don't fit are an error that says which rule was broken, and by what.
try {
  add(matrix, tensor([1, 2]));
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`);
}
