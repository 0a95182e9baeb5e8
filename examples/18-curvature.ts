/**
 * 18. Forward mode and curvature.
 *
 * `jvp` gives the derivative of a function along a direction, `jacobian` and `hessian` give whole matrices of derivatives, and `hvp`
 * multiplies by a Hessian that is never formed. The program checks them by their definitions, and then finds the minimum of a function by
 * Newton's method: x ← x − H⁻¹·∇f.
 *
 * Run: npx tsx examples/18-curvature.ts
 */

import * as s from "separable";

await s.initBackend(["reference"]);
const float64 = (...values: number[]): s.Tensor => s.tensor(Float64Array.from(values));
const numbers = async (x: s.Tensor) => Array.from(await x.data(), (v) => v.toFixed(6)).join("  ");

// From polar to Cartesian coordinates: (r, φ) → (r·cos φ, r·sin φ).
const cartesian = (polar: s.Tensor): s.Tensor => {
  const [r, angle] = [s.slice(polar, [[0, 1]]), s.slice(polar, [[1, 2]])];
  return s.concat([s.multiply(r, s.cos(angle)), s.multiply(r, s.sin(angle))], 0);
};
const polar = float64(2, Math.PI / 6);
const [place, velocity] = s.jvp(cartesian, polar, float64(0, 1));
console.log("place                ", await numbers(place));
console.log("its velocity as φ grows", await numbers(velocity));
console.log("Jacobian             ", await numbers(s.jacobian(cartesian, polar)));

// A function with a curved valley (Rosenbrock 1960), whose minimum is 0 at (1, 1).
const rosenbrock = (x: s.Tensor): s.Tensor => {
  const [a, b] = [s.slice(x, [[0, 1]]), s.slice(x, [[1, 2]])];
  const [across, along] = [s.subtract(b, s.multiply(a, a)), s.subtract(1, a)];
  return s.sum(s.add(s.multiply(s.multiply(across, across), 100), s.multiply(along, along)));
};

const start = float64(-1.2, 1);
const v = float64(1, -1);
const h = s.hessian(rosenbrock, start);
const [, product] = s.hvp(rosenbrock, start, v);
console.log("Hessian              ", await numbers(h));
console.log("H·v, with and without H", await numbers(s.matmul(h, s.reshape(v, [2, 1]))), "and", await numbers(product));

let x = start;
for (let step = 1; step <= 6; step++) {
  const [value, gradient] = s.vjp(rosenbrock, x, s.tensor(1, { dtype: "float64" }));
  const curvature = s.matrix(2, 2, Float64Array.from(await s.hessian(rosenbrock, x).data()));
  const direction = s.solve(curvature, s.matrix(2, 1, Float64Array.from(await gradient.data())));
  x = s.subtract(x, s.tensor(direction.data));
  console.log(`step ${step}: f = ${(await value.item()).toExponential(1)}, next x = ${await numbers(x)}`);
}
console.log(`minimum ${(await rosenbrock(x).item()).toExponential(1)} at ${await numbers(x)}`);

// For many parameters, the fast check of gradients compares one number instead of a thousand.
const large = s.uniform([1000], new s.Random(0), { dtype: "float64" });
const { worst } = await s.checkGradients((at) => s.sum(s.sin(at!)), [large], { fast: new s.Random(1) });
console.log(`fast check of 1000 derivatives: error ${worst.toExponential(1)}`);
