/**
 * 10. A Tensor-Train layer, from its equation to a property.
 *
 * A structured layer stands for a matrix W:[out,in] with few parameters. Here the entries of W, read row by row, are a tensor of three
 * axes, and each entry is a product of small matrices: W[o·in + i] = G₁[:,a,:]·G₂[:,b,:]·G₃[:,c,:], where a, b, c are the digits of the
 * index. We write this as loops, and fast-check looks for a layer that computes something else.
 *
 * Run: npx tsx examples/10-tensor-train-layer.ts
 */

import fc from "fast-check";
import * as s from "separable";

await s.initBackend(["reference"]);
const create = (inputs: number, outputs: number, shape: s.TensorTrainShape, seed: number) =>
  new s.TensorTrainLinear(inputs, outputs, shape, { random: new s.Random(seed), dtype: "float64" });

// W has 64·64 entries, which are read as a tensor of 16×16×16. A bond between two cores has the rank of the layer.
const layer = create(64, 64, { dims: [16, 16, 16], ranks: [4, 4] }, 1);
for (const [name, { shape }] of layer.parameters()) console.log(`${name}: [${shape}]`);
const [dense, factorized] = [layer.cost("dense"), layer.cost("factorized")];
console.log(`parameters: ${factorized.parameters} instead of ${64 * 64}`);
console.log(`multiply-adds a column: ${factorized.multiplyAdds} instead of ${dense.multiplyAdds}, and ${dense.perCall} to rebuild W`);

// `auto` computes with the cores, or rebuilds W once and shares that cost among all columns. It compares the costs and gives its reason.
for (const columns of [1, 4096]) console.log(`${columns} columns: ${layer.choose(columns).path} (${layer.choose(columns).reason})`);

/** One entry of W: a row vector times a matrix times a column vector. */
function entry(cores: readonly Float64Array[], [, d2, d3]: readonly number[], [r1, r2]: readonly number[], index: number): number {
  const [a, b, c] = [Math.floor(index / (d2! * d3!)), Math.floor(index / d3!) % d2!, index % d3!];
  let total = 0;
  for (let p = 0; p < r1!; p++)
    for (let q = 0; q < r2!; q++) total += cores[0]![a * r1! + p]! * cores[1]![(p * d2! + b) * r2! + q]! * cores[2]![q * d3! + c]!;
  return total;
}

// fast-check draws sizes, ranks and seeds. If the property fails, it looks for the smallest layer that fails.
const size = fc.integer({ min: 1, max: 12 });
const scale = fc.double({ min: 0.2, max: 1, noNaN: true });
const property = fc.asyncProperty(size, size, scale, fc.nat(), async (inputs, outputs, scale, seed) => {
  const map = create(inputs, outputs, { scale }, seed);
  const cores = (await Promise.all([...map.parameters().values()].map((core) => core.read()))) as Float64Array[];
  const x = s.normal([1, inputs], new s.Random(seed + 1), { dtype: "float64" });
  const [y, values] = [await map.apply(x).data(), await x.data()];
  for (let o = 0; o < outputs; o++) {
    let expected = 0;
    for (let i = 0; i < inputs; i++) expected += entry(cores, map.dims, map.ranks, o * inputs + i) * values[i]!;
    if (Math.abs(y[o]! - expected) > 1e-10) return false;
  }
  return true;
});
await fc.assert(property, { numRuns: 200 });
console.log("apply(x) is the equation, in 200 layers of 200");
