/**
 * The sum that takes the place of its first term: biases and shortcuts behind convolutions, whose own values no gradient needs. Its VJP is
 * that of a sum (docs/derivations/elementwise.md).
 */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { broadcastShapes, formatShape, sameShape } from "../core/shape.ts";
import { isRecording, noGrad, record } from "../tape/tape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";
import { add } from "./elementwise.ts";
import { checkFloating } from "./output.ts";
import { sumTo } from "./sum-and-broadcast.ts";

/**
 * y + b, as one op with the op that computed y. y is disposed of: the caller made it, nobody else has it, and no VJP reads its value. This
 * holds for the values of convolutions and of products, whose VJPs read their operands only. So of a convolution and its sum a training step
 * keeps one tensor instead of two. y:[…], b of the same shape, or broadcast to it → […]. VJP: those of y, and b̄ = ȳ, summed over the copies.
 * @throws ShapeError for a b that is larger than y, or of another dtype.
 */
export function addInPlace(y: Tensor, b: Tensor): Tensor {
  checkFloating("addInPlace", y, b);
  if (!sameShape(broadcastShapes("addInPlace", y.shape, b.shape), y.shape))
    throw new ShapeError(`addInPlace: b must broadcast to y, got ${formatShape(b.shape)} for ${formatShape(y.shape)}`);
  const { origin } = y;
  const value = noGrad(() => sumOver(y, b));
  y.dispose();
  if (!isRecording()) return value;
  const ofB = (g: Tensor): Tensor => sumTo(g, b.shape);
  if (origin === undefined) return record("addInPlace", { inputs: [b], value, vjp: [ofB] });
  const { op, inputs, vjp } = origin;
  return record(op, {
    inputs: [...inputs, b],
    value,
    vjp: typeof vjp === "function" ? (g, needed) => [...vjp(g, needed.slice(0, -1)), needed.at(-1) ? ofB(g) : undefined] : [...vjp, ofB],
  });
}

/** y + b in the storage of y, if nothing else holds it and the shapes are equal, and else in a new one. */
function sumOver(y: Tensor, b: Tensor): Tensor {
  if (!y.storage.exclusive || !sameShape(y.shape, b.shape)) return add(y, b);
  kernels().accumulate(y.storage, b.storage);
  return share(y);
}
