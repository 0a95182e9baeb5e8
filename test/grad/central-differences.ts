/** Central differences of functions of tensors, which know nothing of VJPs. */

import { noGrad } from "../../src/tape/tape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type NdArray, toArray, toTensor } from "../support/nd-array.ts";

/** Half the distance of the two points. The error h² of the formula and the rounding error 1e-16/h are both below 1e-9. */
const h = 1e-5;

/** (f(x + h·v) − f(x − h·v))/2h. */
export async function alongLine<I extends Tensor[]>(f: (...inputs: I) => Tensor, x: Readonly<I>, v: readonly Tensor[]): Promise<NdArray> {
  const at = async (step: number): Promise<NdArray> => {
    const moved: Tensor[] = [];
    for (const [i, input] of x.entries()) {
      const [from, direction] = [await toArray(input), await toArray(v[i]!)];
      moved.push(toTensor({ shape: from.shape, values: from.values.map((value, e) => value + step * direction.values[e]!) }));
    }
    return toArray(noGrad(() => f(...(moved as I))));
  };
  const [after, before] = [await at(h), await at(-h)];
  return { shape: after.shape, values: after.values.map((value, i) => (value - before.values[i]!) / (2 * h)) };
}

/** The Jacobian by each input, in the axes [result…, input…], from a line along every element. */
export async function jacobiansByDifferences(f: (a: Tensor, b: Tensor) => Tensor, x: readonly [Tensor, Tensor]): Promise<NdArray[]> {
  const { shape, size } = noGrad(() => f(...x));
  const zero = (of: Tensor): NdArray => ({ shape: of.shape, values: new Array<number>(of.size).fill(0) });
  const jacobians: NdArray[] = [];
  for (const [k, input] of x.entries()) {
    const columns: NdArray[] = [];
    for (let e = 0; e < input.size; e++) {
      const unit = toTensor({ shape: input.shape, values: zero(input).values.with(e, 1) });
      const still = toTensor(zero(x[1 - k]!));
      columns.push(await alongLine(f, x, k === 0 ? [unit, still] : [still, unit]));
    }
    const values = Array.from({ length: size }, (_, i) => columns.map((column) => column.values[i]!)).flat();
    jacobians.push({ shape: [...shape, ...input.shape], values });
  }
  return jacobians;
}

/** Σ ⟨aᵢ, bᵢ⟩, and the sum of the magnitudes of its terms, which bounds the rounding error. */
export async function dot(as: readonly Tensor[], bs: readonly Tensor[]): Promise<{ value: number; size: number }> {
  let [value, size] = [0, 0];
  for (const [i, a] of as.entries()) {
    const [x, y] = [await a.data(), await bs[i]!.data()];
    for (const [e, number] of x.entries()) {
      value += number * y[e]!;
      size += Math.abs(number * y[e]!);
    }
  }
  return { value, size };
}
