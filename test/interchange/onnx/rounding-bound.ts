/**
 * How far two float32 evaluations of one network may lie apart (Higham 2002, "Accuracy and Stability of Numerical Algorithms", section
 * 3.1). A sum of n products, evaluated with rounding, differs from the true sum by at most n·u·Σ|terms| to first order in u, whatever the
 * order of the additions. The bound grows with the terms and not with their sum: where terms cancel, a small result may have a large
 * relative error.
 */

import { kernels, useBackend } from "../../../src/backend/active.ts";
import { composedSeparable } from "../../../src/backend/composed-separable.ts";
import type { Kernels, UnaryOp } from "../../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { withoutFused } from "../../../src/backend/without-fused.ts";
import { cosineMatrix } from "../../../src/core/cosine-transform.ts";
import { tensor } from "../../../src/ops/creation.ts";
import { noGrad } from "../../../src/tape/tape.ts";
import type { TypedArray } from "../../../src/tensor/storage.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import type { Classifier } from "../../../src/train/evaluate.ts";
import type { Measure } from "./run-model.ts";

/** Half the distance from 1 to the next float32. */
const unitRoundoff = 2 ** -24;

/** Rounding errors that a runtime makes in one function. Functions that are not listed are exact or are rounded once. */
const functionRoundings: Readonly<Partial<Record<UnaryOp, number>>> = {
  ...{ negate: 0, absolute: 0, sign: 0, relu: 0, step: 0, floor: 0, not: 0 },
  // Two operators of ONNX: Sqrt and Reciprocal.
  reciprocalSqrt: 2,
  // Rational approximations, whose own arithmetic is float32.
  ...{ exp: 4, log: 4, tanh: 4, sigmoid: 4, erf: 4, sin: 4, cos: 4 },
  // expm1: tanh, three operators, and a difference that is at least half of its larger term. log1p: log and five operators.
  ...{ expm1: 14, log1p: 10 },
};

interface TermCounter {
  readonly kernels: Kernels;
  /** Roundings on any path from the inputs to the output so far, of both evaluations together. */
  roundings(): number;
}

/**
 * The reference backend with every term of every sum replaced by its absolute value: differences become sums, and coefficients lose their
 * signs. Given absolute values as inputs, a network computes Σ|terms| for each of its outputs.
 */
function termCounter(): TermCounter {
  // Contractions in stages and separable convolutions are composed, so that the terms of each of their sums are counted.
  const inner = withoutFused(createReferenceBackend());
  let roundings = 0;
  /** `count` roundings by the runtime, and one by the reference backend, which rounds when it stores a result. */
  const rounded = <T>(count: number, result: T): T => {
    roundings += count === 0 ? 0 : count + 1;
    return result;
  };
  const conv2d: Kernels["conv2d"] = (x, w, geometry) =>
    rounded((geometry.inChannels / geometry.groups) * geometry.kernelHeight * geometry.kernelWidth, inner.conv2d(x, w, geometry));
  const counting: Kernels = {
    ...inner,
    ...composedSeparable({ ...inner, conv2d }),
    upload: (dtype, data) => inner.upload(dtype, Float64Array.from(data, Math.abs)),
    full: (dtype, length, value) => inner.full(dtype, length, Math.abs(value)),
    unary: (op, x) => rounded(functionRoundings[op] ?? 1, inner.unary("absolute", inner.unary(op === "negate" ? "absolute" : op, x))),
    binary: (op, a, b, broadcast) => rounded(1, inner.binary(op === "subtract" ? "add" : op, a, b, broadcast)),
    reduce: (op, x, split) => rounded(op === "sum" ? split.axis - 1 : 0, inner.reduce(op, x, split)),
    scatterAdd: (y, indices, split) => rounded(indices.length - 1, inner.scatterAdd(y, indices, split)),
    matmul: (a, b, geometry) => rounded(geometry.k, inner.matmul(a, b, geometry)),
    conv2d,
    conv2dInputGradient: (g, w, geometry) =>
      rounded(
        (geometry.outChannels / geometry.groups) * geometry.kernelHeight * geometry.kernelWidth,
        inner.conv2dInputGradient(g, w, geometry),
      ),
    cosineTransform: (x, transpose, { outer, axis, inner: columns }) => {
      const coefficients = inner.upload(x.dtype, cosineMatrix(axis).map(Math.abs));
      const matrices = { transposeA: transpose, transposeB: false, batchStrideA: 0, batchStrideB: axis * columns };
      // The coefficients themselves are rounded, too.
      return rounded(axis + 1, inner.matmul(coefficients, x, { batch: outer, m: axis, k: axis, n: columns, ...matrices }));
    },
  };
  return { kernels: counting, roundings: () => roundings };
}

/** What a rounding error of a network is measured by: the terms of its sums, or its results where no sum can cancel. */
export type RoundingScale = "terms" | "results";

/** The largest difference as a share of the bound on it, which is roundings · u · scale. At most 1 for a right evaluation. */
export function shareOfBound(scale: RoundingScale): Measure {
  return async (actual, expected, network, images) => {
    const { relative, terms } = await roundingBound(network, images);
    const sizes = scale === "terms" ? terms : expected.map(Math.abs);
    const shares = Array.from(expected, (value, i) => {
      const difference = Object.is(actual[i], value) ? 0 : Math.abs(actual[i]! - value);
      return difference === 0 ? 0 : difference / (relative * sizes[i]!);
    });
    return Math.max(...shares);
  };
}

interface RoundingBound {
  /** First-order bound on a relative error: roundings on a path times the unit roundoff. */
  readonly relative: number;
  /** Σ|terms| of each output. */
  readonly terms: TypedArray;
}

/** The bound for one forward pass of `network`, whose state is left as it was. */
async function roundingBound(network: Classifier, images: Tensor): Promise<RoundingBound> {
  const pixels = await images.data();
  const state = await Promise.all([...network.state().values()].map(async (entry) => ({ entry, values: (await entry.read()).slice() })));
  const before = kernels();
  const counter = termCounter();
  for (const { entry, values } of state) entry.write(values.map(Math.abs));
  useBackend(counter.kernels);
  try {
    const terms = await noGrad(() => network.forward(tensor(pixels, { shape: images.shape }), { training: false })).data();
    return { relative: counter.roundings() * unitRoundoff, terms };
  } finally {
    useBackend(before);
    for (const { entry, values } of state) entry.write(values);
  }
}
