/**
 * 4. A structured layer, from its equation to a property.
 *
 * A structured layer stands for a matrix W:[out,in] with few parameters. It computes y = W·x from the parameters, without W itself. The
 * layer here is a sum of Kronecker products, W = Σ_t B_t ⊗ C_t. We write the equation as loops, and fast-check looks for a disagreement.
 *
 * Run: npx tsx examples/04-structured-layer.ts
 */

import fc from "fast-check";
import * as s from "separable";

await s.initBackend(["reference"]);
const create = (inputs: number, outputs: number, shape: s.KroneckerSumShape, seed: number) =>
  new s.KroneckerLinear(inputs, outputs, shape, { random: new s.Random(seed), dtype: "float64" });

// Few parameters also mean few multiply-adds: C acts on short pieces of x, and B acts on the results.
const layer = create(64, 64, { terms: 2 }, 1);
for (const [name, { shape, decay }] of layer.parameters()) console.log(`${name}: [${shape}], weight decay ${decay}`);
const dense = layer.cost("dense");
const factorized = layer.cost("factorized");
console.log(`parameters: ${factorized.parameters} instead of ${64 * 64}`);
console.log(`multiply-adds a column: ${factorized.multiplyAdds} instead of ${dense.multiplyAdds}, and ${dense.perCall} to rebuild W`);

// `auto` computes with the factors, or rebuilds W once and shares that cost among all columns. It compares the costs and gives its reason.
for (const columns of [1, 4096]) console.log(`${columns} columns: ${layer.choose(columns).path} (${layer.choose(columns).reason})`);

/** y = x·Wᵀ straight from the equation: W[o₁m₂ + o₂, i₁n₂ + i₂] = Σ_t B[t,o₁,i₁]·C[t,o₂,i₂]. */
async function byHand(map: s.KroneckerLinear, x: ArrayLike<number>, rows: number): Promise<number[]> {
  const [terms, m1, n1] = map.B.shape as [number, number, number];
  const [, m2, n2] = map.C.shape as [number, number, number];
  const [b, c] = [await map.B.read(), await map.C.read()];
  const y = new Array<number>(rows * m1 * m2).fill(0);
  for (let r = 0; r < rows; r++)
    for (let o = 0; o < m1 * m2; o++)
      for (let i = 0; i < n1 * n2; i++)
        for (let t = 0; t < terms; t++) {
          const outer = b[(t * m1 + Math.floor(o / m2)) * n1 + Math.floor(i / n2)]!;
          const inner = c[(t * m2 + (o % m2)) * n2 + (i % n2)]!;
          y[r * m1 * m2 + o]! += outer * inner * x[r * n1 * n2 + i]!;
        }
  return y;
}

// fast-check draws the shapes of B and C, and seeds. If the property fails, it looks for the smallest layer that fails.
const size = fc.integer({ min: 1, max: 5 });
const property = fc.asyncProperty(size, size, size, size, fc.nat(), async (rows, columns, innerRows, innerColumns, seed) => {
  const terms = Math.min(3, rows * columns, innerRows * innerColumns);
  const [inputs, outputs] = [columns * innerColumns, rows * innerRows];
  const map = create(inputs, outputs, { terms, rows, columns }, seed);
  const x = s.normal([3, inputs], new s.Random(seed + 1), { dtype: "float64" });
  const [got, expected] = [await map.apply(x).data(), await byHand(map, await x.data(), 3)];
  return expected.every((value, at) => Math.abs(got[at]! - value) < 1e-10);
});
await fc.assert(property, { numRuns: 200 });
console.log("apply(x) is the equation, in 200 layers of 200");
