/** Test-time augmentation: the logits of an image are the mean over views of it. */

import type { Context } from "../core/context.ts";
import { ShapeError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { concat, flip, slice } from "../ops/layout.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Classifier } from "./evaluate.ts";

export interface TestTimeOptions {
  /** By how many pixels the image is moved up and left, and down and right; smaller than the image. 0 for no moved views. Default: 1. */
  readonly translate?: number;
}

/** The names of `TestTimeOptions`. */
export const testTimeOptions: OptionNames = optionNames<TestTimeOptions>({ translate: true });

/** x moved by `shift` pixels along an axis, to higher positions if it is above 0. The border shows the image reflected. */
function moved(x: Tensor, axis: number, shift: number): Tensor {
  const size = x.shape[axis]!;
  const along = (start: number, end: number): Tensor =>
    slice(
      x,
      x.shape.map((_, i) => (i === axis ? [start, end] : undefined)),
    );
  const reach = Math.abs(shift);
  const [kept, border] =
    shift > 0 ? [along(0, size - reach), along(1, 1 + reach)] : [along(reach, size), along(size - 1 - reach, size - 1)];
  const reflected = flip(border, [axis]);
  return concat(shift > 0 ? [reflected, kept] : [kept, reflected], axis);
}

/**
 * The mean logits over six views of each image, as airbench has them (Jordan 2024, arXiv 2404.00498, §3.5): with m(x) the mean of the logits
 * of x and of its mirror image, ½·m(x) + ¼·m(x moved up and left) + ¼·m(x moved down and right). Without moves it is m(x). The border shows
 * the image reflected. x:[N,C,H,W] → logits:[N,classes].
 * @throws ShapeError for a rank other than 4, and ConfigError for a move that is not smaller than the image.
 */
export function augmentedLogits(model: Classifier, x: Tensor, context: Context, options: TestTimeOptions = {}): Tensor {
  checkOptions("augmentedLogits", options, testTimeOptions);
  const { translate = 1 } = options;
  if (x.rank !== 4) throw new ShapeError(`augmentedLogits: needs x:[N,C,H,W], got ${formatShape(x.shape)}`);
  checkNumbers("augmentedLogits", { translate }, { integer: true, least: 0, below: Math.min(x.shape[2]!, x.shape[3]!) });
  // What a view leaves behind is freed before the next one, so six views hold no more than one.
  const logitsOf = (view: () => Tensor): Tensor => scope(() => model.forward(view(), context));
  const mirrored = (view: () => Tensor): Tensor =>
    multiply(
      add(
        logitsOf(view),
        logitsOf(() => flip(view(), [3])),
      ),
      0.5,
    );
  const still = mirrored(() => x);
  if (translate === 0) return still;
  const [up, down] = [-translate, translate].map((shift) => mirrored(() => moved(moved(x, 2, shift), 3, shift)));
  return add(multiply(still, 0.5), multiply(add(up!, down!), 0.25));
}
