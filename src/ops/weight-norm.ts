/**
 * A factor of a structured map with a limited root mean square, in two forms. `limitedNormComposed` is composed of small ops. `limitedNorm`
 * is one kernel forward and one backward on the backends that have them: on a device, each of the small ops would be a launch
 * (docs/derivations/contractions.md). The tests compare the two forms.
 */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import { isRecording, record } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { add, divide, equal, greater, maximum, multiply, negate, sqrt } from "./elementwise.ts";
import { checkFloating, output } from "./output.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum-and-broadcast.ts";

/** @throws ShapeError unless the gain has one element and the dtype of x. */
function check(x: Tensor, gain: Tensor): void {
  checkFloating("limitedNorm", x, gain);
  if (gain.size !== 1 || gain.rank > 1) throw new ShapeError(`limitedNorm: the gain must have one element, got ${formatShape(gain.shape)}`);
}

/** m = max(factor·Σx², 1). The maximum comes before the root, so the gradient is finite for x = 0. */
const boundedSquare = (x: Tensor, factor: number): Tensor => maximum(multiply(sum(multiply(x, x)), factor), 1);

/** `limitedNorm` composed of small ops: the same value and the same gradients. @throws ShapeError as `limitedNorm`. */
export function limitedNormComposed(x: Tensor, gain: Tensor, factor: number): Tensor {
  check(x, gain);
  return multiply(x, divide(gain, sqrt(boundedSquare(x, factor))));
}

/**
 * y = x·γ/√m with m = max(factor·Σx², 1): x, scaled down where factor·Σx² exceeds 1, and a gain. x:[…], γ:[1] → y:[…]. VJP, with q = Σ ȳ·x
 * and the slope s of the maximum (1 where factor·Σx² > 1, ½ where it is 1, else 0): γ̄ = q/√m, x̄ = γ/√m·(ȳ − s·factor·q/m·x).
 * @throws ShapeError unless the gain has one element and the dtype of x.
 */
export function limitedNorm(x: Tensor, gain: Tensor, factor: number): Tensor {
  const { limitedNorm: forward, limitedNormGradient: backward } = kernels();
  if (forward === undefined || backward === undefined || x.size === 0) return limitedNormComposed(x, gain, factor);
  check(x, gain);
  const fused = forward(x.storage, gain.storage, factor);
  const square = output([], fused.square);
  const composed = (g: Tensor): Tensor[] => {
    const ratio = multiply(sum(multiply(x, x)), factor);
    const slope = add(greater(ratio, 1), multiply(equal(ratio, 1), 0.5));
    const m = maximum(ratio, 1);
    const q = sum(multiply(g, x));
    const inner = add(g, multiply(x, negate(multiply(divide(multiply(slope, q), m), factor))));
    return [multiply(inner, divide(gain, sqrt(m))), reshape(divide(q, sqrt(m)), gain.shape)];
  };
  const atOnce = (g: Tensor): Tensor[] => {
    const gradient = backward(x.storage, gain.storage, square.storage, g.storage, factor);
    return [output(x.shape, gradient.x), output(gain.shape, gradient.gain)];
  };
  return record("limitedNorm", {
    inputs: [x, gain],
    value: output(x.shape, fused.y),
    vjp: (g) => (isRecording() ? composed(g) : atOnce(g)),
  });
}
