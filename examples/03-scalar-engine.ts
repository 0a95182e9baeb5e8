/**
 * 3. A scalar engine in forty lines, which becomes the library's.
 *
 * Reverse mode needs three things: an origin on each value, an order in which each value comes after all that were computed from it, and
 * the chain rule along the origins. The library has the same three. Its values are tensors, and its VJPs are functions of tensors.
 *
 * Run: npx tsx examples/03-scalar-engine.ts
 */

import * as s from "separable";

/** A number, the values that it was computed from, and its derivative with respect to each of them. */
interface Value {
  readonly number: number;
  readonly inputs: readonly Value[];
  readonly derivatives: readonly number[];
}
const value = (number: number, inputs: readonly Value[] = [], derivatives: readonly number[] = []): Value => ({
  number,
  inputs,
  derivatives,
});
const add = (a: Value, b: Value) => value(a.number + b.number, [a, b], [1, 1]);
const multiply = (a: Value, b: Value) => value(a.number * b.number, [a, b], [b.number, a.number]);
const tanh = (a: Value) => value(Math.tanh(a.number), [a], [1 - Math.tanh(a.number) ** 2]);

/** All values that y was computed from, each after its inputs. */
function ordered(y: Value, seen = new Set<Value>()): Set<Value> {
  if (seen.has(y)) return seen;
  for (const input of y.inputs) ordered(input, seen);
  return seen.add(y);
}

/** ∂y/∂x for each x. A value that is used twice receives two cotangents, and they are added. */
function gradients(y: Value, of: readonly Value[]): number[] {
  const cotangents = new Map<Value, number>([[y, 1]]);
  for (const value of [...ordered(y)].reverse())
    for (const [i, input] of value.inputs.entries()) {
      const cotangent = cotangents.get(value)! * value.derivatives[i]!;
      cotangents.set(input, (cotangents.get(input) ?? 0) + cotangent);
    }
  return of.map((x) => cotangents.get(x) ?? 0);
}

// y = tanh(w·x + b)·x. The value x is used twice.
const [x, w, b] = [value(0.5), value(-1.2), value(0.3)];
const ours = gradients(multiply(tanh(add(multiply(w, x), b)), x), [x, w, b]);

// The same in the library, where x, w and b could as well be matrices.
await s.initBackend(["reference"]);
const [X, W, B] = [0.5, -1.2, 0.3].map((number) => s.tensor(number, { dtype: "float64" })) as [s.Tensor, s.Tensor, s.Tensor];
const theirs = s.gradients(s.multiply(s.tanh(s.add(s.multiply(W, X), B)), X), [X, W, B]);
for (const [i, name] of ["x", "w", "b"].entries())
  console.log(`∂y/∂${name}: forty lines ${ours[i]!.toFixed(12)}, library ${(await theirs[i]!.item()).toFixed(12)}`);
