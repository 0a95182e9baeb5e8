/**
 * The matrix of a butterfly map, in two forms (structured/butterfly.ts). `butterflyMatrixComposed` gathers the factor of each stage and
 * multiplies them. `butterflyMatrix` is one kernel forward and one backward on the backends that have them: on a device, every gather and
 * every product would be a launch (docs/derivations/contractions.md). The tests compare the two forms.
 */

import { kernels } from "../backend/active.ts";
import type { ButterflyGeometry } from "../backend/kernels.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import { isRecording, record } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { tensor } from "./creation.ts";
import { add, multiply } from "./elementwise.ts";
import { gather, scatterAdd } from "./indexing.ts";
import { checkFloating, output } from "./output.ts";
import { reshape } from "./reshape.ts";

/** @throws ShapeError unless twiddle is [L, 2^(L−1), 2, 2] and the matrix at most 2^L rows and columns. */
function checkedGeometry(twiddle: Tensor, rows: number, columns: number): ButterflyGeometry {
  checkFloating("butterflyMatrix", twiddle);
  const [stages = 0] = twiddle.shape;
  if (stages < 1 || formatShape(twiddle.shape) !== `[${stages},${2 ** (stages - 1)},2,2]` || Math.max(rows, columns) > 2 ** stages)
    throw new ShapeError(
      `butterflyMatrix: needs twiddle:[L,N/2,2,2] with N = 2^L ≥ rows, columns, got ${formatShape(twiddle.shape)} for [${rows},${columns}]`,
    );
  return { stages, rows, columns };
}

/** For each stage, where the factor of each entry of the matrix stands in the twiddle. */
const indicesOf = ({ stages, rows, columns }: ButterflyGeometry): Tensor[] =>
  Array.from({ length: stages }, (_, s) => {
    const indices = Int32Array.from({ length: rows * columns }, (_, at) => {
      const [o, i] = [Math.floor(at / columns), at % columns];
      const pair = ((i >> (s + 1)) << s) | (o & ((1 << s) - 1));
      return (s * 2 ** (stages - 1) + pair) * 4 + ((o >> s) & 1) * 2 + ((i >> s) & 1);
    });
    return tensor(indices, { shape: [indices.length], dtype: "int32" });
  });

const product = (factors: readonly Tensor[]): Tensor => factors.reduce((partial, each) => multiply(partial, each));

/** `butterflyMatrix` composed of small ops: the same value and the same gradient. @throws ShapeError as `butterflyMatrix`. */
export function butterflyMatrixComposed(twiddle: Tensor, rows: number, columns: number): Tensor {
  const entries = reshape(twiddle, [twiddle.size]);
  const factors = indicesOf(checkedGeometry(twiddle, rows, columns)).map((indices) => gather(entries, indices));
  return reshape(product(factors), [rows, columns]);
}

/**
 * W[o,i] = Π_s B_s, each taken at the place that has the bits of o below s and the bits of i above: only one path leads from i to o.
 * twiddle:[L, 2^(L−1), 2, 2] (stage, the place's other bits, output bit, input bit) → W:[rows,columns]. VJP: the cotangent of a factor is
 * the sum of W̄·W/factor over the entries that have it, computed without a division.
 * @throws ShapeError unless twiddle has this shape and the matrix at most 2^L rows and columns.
 */
export function butterflyMatrix(twiddle: Tensor, rows: number, columns: number): Tensor {
  const { butterflyMatrix: forward, butterflyMatrixGradient: backward } = kernels();
  if (forward === undefined || backward === undefined) return butterflyMatrixComposed(twiddle, rows, columns);
  const geometry = checkedGeometry(twiddle, rows, columns);
  const composed = (g: Tensor): Tensor => {
    const places = indicesOf(geometry);
    const factors = places.map((indices) => gather(reshape(twiddle, [twiddle.size]), indices));
    const terms = places.map((indices, s) => {
      const others = product([reshape(g, [rows * columns]), ...factors.filter((_, other) => other !== s)]);
      return scatterAdd(others, indices, [twiddle.size]);
    });
    return reshape(terms.reduce(add), twiddle.shape);
  };
  return record("butterflyMatrix", {
    inputs: [twiddle],
    value: output([rows, columns], forward(twiddle.storage, geometry)),
    vjp: [(g) => (isRecording() ? composed(g) : output(twiddle.shape, backward(twiddle.storage, g.storage, geometry)))],
  });
}
