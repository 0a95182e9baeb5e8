/**
 * 8. A convolution by hand, and its two gradients.
 *
 * y[o,p,q] = Σ_{i,u,v} w[o,i,u,v]·x[i,p+u,q+v] is linear in x and linear in w. So each gradient is the same sum with another argument left
 * out. The loops below add each product to y, to x̄ or to w̄. The library computes the three with fast kernels.
 *
 * Run: npx tsx examples/08-convolution-by-hand.ts
 */

import * as s from "separable";

await s.initBackend(["wasm", "reference"]);
const [inputs, outputs, size, kernel] = [2, 3, 6, 3];
const outSize = size - kernel + 1;

/** Calls `add` for each product of the convolution, with the places of y, w and x that belong together. */
function forEachProduct(add: (y: number, w: number, x: number) => void): void {
  for (let o = 0; o < outputs; o++)
    for (let p = 0; p < outSize; p++)
      for (let q = 0; q < outSize; q++)
        for (let i = 0; i < inputs; i++)
          for (let u = 0; u < kernel; u++)
            for (let v = 0; v < kernel; v++)
              add((o * outSize + p) * outSize + q, ((o * inputs + i) * kernel + u) * kernel + v, (i * size + p + u) * size + q + v);
}
const convolution = (x: Float64Array, w: Float64Array) => {
  const y = new Float64Array(outputs * outSize * outSize);
  forEachProduct((atY, atW, atX) => (y[atY]! += w[atW]! * x[atX]!));
  return y;
};
/** The input's gradient: each product with x replaced by ȳ, added where x stood. */
const gradientOfX = (g: Float64Array, w: Float64Array) => {
  const dx = new Float64Array(inputs * size * size);
  forEachProduct((atY, atW, atX) => (dx[atX]! += w[atW]! * g[atY]!));
  return dx;
};
/** The weight's gradient: each product with w replaced by ȳ, added where w stood. */
const gradientOfW = (g: Float64Array, x: Float64Array) => {
  const dw = new Float64Array(outputs * inputs * kernel * kernel);
  forEachProduct((atY, atW, atX) => (dw[atW]! += x[atX]! * g[atY]!));
  return dw;
};

const random = new s.Random(0);
const draw = (length: number) => Float64Array.from({ length }, () => Math.fround(random.normal()));
const [x, w, g] = [draw(inputs * size * size), draw(outputs * inputs * kernel * kernel), draw(outputs * outSize * outSize)];
const X = s.tensor(Float32Array.from(x), { shape: [1, inputs, size, size] });
const W = s.tensor(Float32Array.from(w), { shape: [outputs, inputs, kernel, kernel] });
const Y = s.conv2d(X, W);
const [dX, dW] = s.gradients(s.sum(s.multiply(Y, s.tensor(Float32Array.from(g), { shape: Y.shape }))), [X, W]);

const compare = async (name: string, ours: Float64Array, theirs: s.Tensor) => {
  const values = await theirs.data();
  const apart = Math.max(...ours.map((value, i) => Math.abs(value - values[i]!)));
  console.log(`${name} [${theirs.shape.join(",")}]: largest difference ${apart.toExponential(0)}`);
};
await compare("y", convolution(x, w), Y);
await compare("gradient of x", gradientOfX(g, w), dX!);
await compare("gradient of w", gradientOfW(g, x), dW!);
