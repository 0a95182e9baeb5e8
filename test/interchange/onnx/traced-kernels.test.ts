/** Every kernel as ONNX nodes, for random sizes and views: onnxruntime against the reference backend. */

import fc from "fast-check";
import { describe, expect, inject, test } from "vitest";
import { kernels } from "../../../src/backend/active.ts";
import { activations } from "../../../src/backend/kernels.ts";
import type { Padding } from "../../../src/core/convolution-geometry.ts";
import { Random } from "../../../src/core/random.ts";
import { type Shape, sizeOf, stridesOf } from "../../../src/core/shape.ts";
import { Module } from "../../../src/nn/module.ts";
import { Parameter } from "../../../src/nn/state.ts";
import { cumsum, prod } from "../../../src/ops/accumulate.ts";
import { batchNormInference } from "../../../src/ops/batch-norm.ts";
import { channelAffine } from "../../../src/ops/channel-affine.ts";
import { conv2d, convTranspose2d } from "../../../src/ops/convolution.ts";
import { cosineTransform } from "../../../src/ops/cosine-transform.ts";
import { normal, tensor, zeros } from "../../../src/ops/creation.ts";
import * as elementwise from "../../../src/ops/elementwise.ts";
import { gather, scatterAdd } from "../../../src/ops/indexing.ts";
import { concat, diagonal, flip, pad, permute, slice, stack, tile } from "../../../src/ops/layout.ts";
import { matmul } from "../../../src/ops/matmul.ts";
import { avgPool2d, maxPool2d, type PoolingOptions } from "../../../src/ops/pooling.ts";
import { argmax, max, mean, min } from "../../../src/ops/reductions.ts";
import { reshape } from "../../../src/ops/reshape.ts";
import { softmax } from "../../../src/ops/softmax.ts";
import { sort, topk } from "../../../src/ops/sorting.ts";
import { broadcastTo, sum } from "../../../src/ops/sum-and-broadcast.ts";
import { Tensor } from "../../../src/tensor/tensor.ts";
import { onReferenceBackend } from "../../support/reference-backend.ts";
import { type RoundingScale, shareOfBound } from "./rounding-bound.ts";
import { compare, constantNodes } from "./run-model.ts";

onReferenceBackend();

/** A computation on the images x and on parameters, which the first forward pass makes. */
type Body = (x: Tensor, parameter: (shape: Shape) => Tensor) => Tensor;

class Computation extends Module {
  readonly parameters_: Parameter[] = [];
  readonly #body: Body;
  readonly #random: Random;
  #used = 0;

  constructor(body: Body, random: Random) {
    super();
    this.#body = body;
    this.#random = random;
  }

  forward(x: Tensor): Tensor {
    this.#used = 0;
    return this.#body(x, (shape) => {
      const at = this.#used++;
      this.parameters_[at] ??= new Parameter(normal(shape, this.#random));
      return this.parameters_[at].value;
    });
  }
}

const size = fc.integer({ min: 1, max: 5 });
const shapes = fc.tuple(size, size, size, size);

/** What the operation is applied to: the images, or a parameter. In the second case the whole computation is constant. */
const subjects = fc.constantFrom("images", "parameter");

interface Case {
  readonly shape: Shape;
  readonly subject: "images" | "parameter";
  readonly seed: number;
  readonly body: Body;
  /** What the rounding errors are in proportion to. Default: the terms of the sums. */
  readonly scale?: RoundingScale;
}

async function check({ shape, subject, seed, body, scale = "terms" }: Case): Promise<void> {
  const [batch, ...imageShape] = shape as [number, number, number, number];
  for (const weights of ["contracted", "folded"] as const) {
    const random = new Random(seed);
    const network = new Computation((x, parameter) => body(subject === "images" ? x : parameter(shape), parameter), random);
    network.forward(zeros(shape));
    const { error, model } = await compare(network, { batch, imageShape, weights }, random, { measure: shareOfBound(scale) });
    expect(error).toBeLessThanOrEqual(1);
    // A constant output still needs a node. Transposes, repeats and casts only bring a constant into the form that an operator takes.
    const left = constantNodes(model).filter((name) => !/^(Transpose|Expand|Cast)/.test(name));
    if (weights === "folded") expect(left).toEqual(subject === "images" ? [] : ["logits"]);
  }
}

const property = <T>(name: string, arbitrary: fc.Arbitrary<T>, body: (drawn: T, shape: Shape) => Body, scale?: RoundingScale): void => {
  test(name, () =>
    fc.assert(
      fc.asyncProperty(shapes, subjects, fc.nat({ max: 2 ** 31 }), arbitrary, (shape, subject, seed, drawn) =>
        check({ shape, subject, seed, body: body(drawn, shape), ...(scale ? { scale } : {}) }),
      ),
      { numRuns: Math.ceil(80 * inject("testShare")) },
    ),
  );
};

/** Rounds to halves between −2 and 2, so that equal values occur. */
const coarse = (x: Tensor): Tensor => elementwise.multiply(elementwise.floor(elementwise.multiply(elementwise.clamp(x, -2, 2), 2)), 0.5);
const positive = (x: Tensor): Tensor => elementwise.add(elementwise.absolute(x), 0.5);

describe("elementwise", () => {
  const unary: Readonly<Record<string, (x: Tensor) => Tensor>> = {
    negate: elementwise.negate,
    absolute: elementwise.absolute,
    sign: (x) => elementwise.sign(coarse(x)),
    reciprocal: (x) => elementwise.reciprocal(positive(x)),
    exp: elementwise.exp,
    log: (x) => elementwise.log(positive(x)),
    sqrt: (x) => elementwise.sqrt(positive(x)),
    reciprocalSqrt: (x) => elementwise.reciprocalSqrt(positive(x)),
    expm1: elementwise.expm1,
    log1p: (x) => elementwise.log1p(elementwise.clamp(x, -0.75, 8)),
    isNaN: (x) => elementwise.isNaN(elementwise.log(x)),
    isFinite: (x) => elementwise.isFinite(elementwise.log(elementwise.relu(x))),
    tanh: elementwise.tanh,
    erf: elementwise.erf,
    sin: elementwise.sin,
    cos: elementwise.cos,
    relu: elementwise.relu,
    relu6: (x) => elementwise.relu6(elementwise.multiply(x, 5)),
    floor: elementwise.floor,
    not: (x) => elementwise.not(coarse(x)),
    clamp: (x) => elementwise.clamp(x, -0.5, 0.25),
    cast: (x) => elementwise.cast(elementwise.cast(elementwise.multiply(x, 3), "int32"), "float32"),
  };
  property("of one operand", fc.constantFrom(...Object.keys(unary)), (name) => unary[name]!, "results");
  // For x < 0 the sum 1 + erf(x/√2) of the graph cancels, and so does the sigmoid, which the runtime computes as ½ + ½·tanh(x/2).
  property("gelu, normalCdf and sigmoid", fc.constantFrom(elementwise.gelu, elementwise.normalCdf, elementwise.sigmoid), (op) => op);

  const { add, subtract, multiply, divide, maximum, minimum, equal, notEqual, less, lessEqual, greater, greaterEqual, power, where } =
    elementwise;
  const binary: Readonly<Record<string, (a: Tensor, b: Tensor) => Tensor>> = {
    ...{ add, subtract, multiply, maximum, minimum },
    divide: (a, b) => divide(a, positive(b)),
    power: (a, b) => power(positive(a), b),
    ...Object.fromEntries(
      Object.entries({ equal, notEqual, less, lessEqual, greater, greaterEqual, where: (a: Tensor, b: Tensor) => where(a, b, a) }).map(
        ([name, op]) => [name, (a: Tensor, b: Tensor) => op(coarse(a), coarse(b))],
      ),
    ),
  };
  const operands = fc.record({
    name: fc.constantFrom(...Object.keys(binary)),
    repeated: fc.uniqueArray(fc.nat({ max: 3 }), { maxLength: 4 }),
    dropsLeading: fc.boolean(),
    other: fc.constantFrom("computed", "parameter", "constant", "number"),
    swapped: fc.boolean(),
    // With `merged`, the value has another shape in the graph than the tensor has.
    merged: fc.boolean(),
  });
  property(
    "of two operands that broadcast",
    operands,
    ({ name, repeated, dropsLeading, other, swapped, merged }, shape) =>
      (x, parameter) => {
        const small = shape.map((length, axis) => (repeated.includes(axis) ? 1 : length));
        const leading = small.findIndex((length) => length !== 1);
        const shaped = (y: Tensor): Tensor => (dropsLeading ? reshape(y, leading < 0 ? [] : small.slice(leading)) : y);
        const operand = (): Tensor => {
          if (other === "computed") return shaped(max(x, { axes: repeated, keepDims: true }));
          if (other === "parameter") return shaped(parameter(small));
          if (other === "constant")
            return shaped(
              tensor(
                Float32Array.from({ length: sizeOf(small) }, (_, i) => Math.cos(i)),
                { shape: small },
              ),
            );
          return tensor(0.75);
        };
        const a = merged ? reshape(elementwise.relu(reshape(x, [x.shape[0]! * x.shape[1]!, -1])), x.shape) : x;
        return swapped ? binary[name]!(operand(), a) : binary[name]!(a, operand());
      },
    "results",
  );
});

describe("along axes", () => {
  const axis = fc.nat({ max: 3 });
  const axes = fc.record({ axes: fc.uniqueArray(axis, { maxLength: 4 }), keepDims: fc.boolean() });
  property("sum", axes, (options) => (x) => sum(x, options));
  property("max", axes, (options) => (x) => max(x, options));
  property("min", axes, (options) => (x) => min(x, options));
  property("prod", axes, (options) => (x) => prod(coarse(x), options), "results");
  property("cumsum", axis, (along) => (x) => cumsum(x, along));
  property("sort", fc.record({ axis, descending: fc.boolean() }), (options) => (x) => sort(coarse(x), options).values, "results");
  property(
    "the positions of the largest elements",
    fc.record({ axis, k: fc.nat(), largest: fc.boolean() }),
    ({ k, ...options }, shape) =>
      (x) =>
        elementwise.cast(topk(coarse(x), 1 + (k % shape[options.axis]!), options).indices, "float32"),
    "results",
  );
  property("mean", axes, (options) => (x) => mean(x, options));
  property("softmax", axis, (along) => (x) => softmax(x, along), "results");
  property("argmax", axis, (along) => (x) => elementwise.cast(argmax(coarse(x), along), "float32"), "results");
  property("cosine transform", fc.record({ axis, transpose: fc.boolean() }), (options) => (x) => cosineTransform(x, options));

  const indices = fc.record({ along: axis, draws: fc.array(fc.nat(), { minLength: 1, maxLength: 6 }) });
  const indexTensor = (draws: readonly number[], bound: number, shape: Shape = [draws.length]): Tensor =>
    tensor(
      Int32Array.from({ length: sizeOf(shape) }, (_, i) => draws[i % draws.length]! % bound),
      { shape },
    );
  property(
    "gather",
    indices,
    ({ along, draws }, shape) =>
      (x) =>
        gather(x, indexTensor(draws, shape[along]!, [draws.length, 1]), along),
  );
  property("gather at computed indices", axis, (along) => (x) => gather(x, argmax(x, along), along), "results");
  property("scatterAdd", indices, ({ along, draws }, shape) => (x) => {
    const bound = 1 + (draws[0]! % 5);
    const target = shape.map((length, i) => (i === along ? bound : length));
    return scatterAdd(x, indexTensor(draws, bound, [shape[along]!]), target, along);
  });
});

describe("layout", () => {
  type Move = (x: Tensor, pick: (bound: number) => number, parameter: (shape: Shape) => Tensor) => Tensor;
  const moves: Readonly<Record<string, Move>> = {
    permute: (x, pick) => {
      const rest = x.shape.map((_, axis) => axis);
      return permute(
        x,
        x.shape.map(() => rest.splice(pick(rest.length), 1)[0]!),
      );
    },
    slice: (x, pick) =>
      slice(
        x,
        x.shape.map((length) => {
          const start = pick(length);
          return [start, start + 1 + pick(length - start), 1 + pick(3)] as const;
        }),
      ),
    flip: (x, pick) => (x.rank === 0 ? x : flip(x, [pick(x.rank)])),
    diagonal: (x) => {
      const axis = x.shape.findIndex((length, i) => x.shape.indexOf(length) < i);
      return axis < 0 ? x : diagonal(x, [x.shape.indexOf(x.shape[axis]!), axis]);
    },
    pad: (x, pick) =>
      pad(
        x,
        x.shape.map(() => [pick(3), pick(3)] as const),
        pick(3) - 1,
      ),
    concat: (x, pick, parameter) => (x.rank === 0 ? x : concat([x, parameter(x.shape), elementwise.relu(x)], pick(x.rank))),
    stack: (x, pick) => (x.rank > 4 ? x : stack([x, elementwise.negate(x)], pick(x.rank + 1))),
    tile: (x, pick) =>
      tile(
        x,
        x.shape.map(() => 1 + pick(2)),
      ),
    broadcast: (x, pick) => broadcastTo(x, [1 + pick(3), ...x.shape.map((length) => (length === 1 ? 1 + pick(3) : length))]),
    merge: (x) => reshape(x, [-1, x.shape.at(-1) ?? 1]),
    split: (x) =>
      reshape(
        x,
        x.shape.flatMap((length) => (length === 4 ? [2, 2] : [length])),
      ),
  };
  const programs = fc.array(fc.tuple(fc.constantFrom(...Object.keys(moves)), fc.array(fc.nat(), { minLength: 1, maxLength: 6 })), {
    minLength: 1,
    maxLength: 4,
  });
  property(
    "any sequence of moves",
    programs,
    (program) => (x, parameter) =>
      program.reduce((y, [name, draws]) => {
        let used = 0;
        const pick = (bound: number): number => (bound < 1 ? 0 : draws[used++ % draws.length]! % bound);
        // Moves multiply sizes: a tensor that is large already is left as it is.
        return y.size > 2000 || y.rank > 5 ? y : moves[name]!(y, pick, parameter);
      }, x),
  );
});

/**
 * Parts of a tensor follow one another along an axis, and each has its own range on the other axes. Together they need not cover the
 * tensor.
 */
test("assemble with any views", () => {
  /** `usual` in four of five draws, else a value of `other`. */
  const mostly = <T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
    fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });
  const count = fc.integer({ min: 1, max: 3 });
  const [gap, step] = [mostly(0, fc.integer({ min: 1, max: 2 })), mostly(1, fc.constant(2))];
  const others = mostly([0, 4, 1] as const, fc.tuple(fc.nat({ max: 2 }), count, step));
  const parts = fc.array(fc.record({ gap, count, step, others, turned: mostly(false, fc.constant(true)) }), { minLength: 1, maxLength: 3 });
  const arrangement = fc.record({
    axis: fc.nat({ max: 2 }),
    parts,
    tail: gap,
    backwards: mostly(false, fc.constant(true)),
    fill: fc.integer({ min: -1, max: 1 }),
  });
  return fc.assert(
    fc.asyncProperty(arrangement, fc.nat({ max: 2 ** 31 }), async ({ axis, parts, tail, backwards, fill }, seed) => {
      let length = 0;
      const ranges = parts.map(({ gap, count, step }) => {
        const start = length + gap;
        length = start + (count - 1) * step + 1;
        return [start, count, step] as const;
      });
      const target = [0, 1, 2].map((a) => (a === axis ? length + tail : 4));
      const strides = stridesOf(target);
      const body: Body = (x) => {
        const placed = parts.map(({ others, turned }, p) => {
          const along = target.map((size, a): readonly [number, number, number] => {
            if (a === axis) return ranges[p]!;
            const [start, count, step] = others;
            return [start, Math.min(count, Math.floor((size - 1 - start) / step) + 1), step];
          });
          const order = turned ? [2, 0, 1] : [0, 1, 2];
          const view = {
            shape: order.map((a) => along[a]![1]),
            strides: order.map((a) => along[a]![2] * strides[a]!),
            offset: along.reduce((sum, [start], a) => sum + start * strides[a]!, 0),
          };
          const places = Int32Array.from({ length: sizeOf(view.shape) }, (_, i) => (7 * i + p) % x.size);
          return { source: gather(reshape(x, [x.size]), tensor(places)).storage, view };
        });
        return new Tensor(target, kernels().assemble("float32", sizeOf(target), fill, backwards ? placed.reverse() : placed));
      };
      await check({ shape: [1, 2, 3, 4], subject: "images", seed, body, scale: "results" });
    }),
    { numRuns: 200 },
  );
});

describe("contractions", () => {
  const products = fc.record({
    columns: size,
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
    batchA: fc.constantFrom("both", "last", "none"),
    batchB: fc.constantFrom("both", "last", "none"),
    parameterFirst: fc.boolean(),
  });
  property("matmul", products, ({ columns, transposeA, transposeB, batchA, batchB, parameterFirst }, shape) => (x, parameter) => {
    const first = {
      both: x,
      last: slice(x, [[0, 1]]),
      none: reshape(
        slice(x, [
          [0, 1],
          [0, 1],
        ]),
        shape.slice(2),
      ),
    }[batchA];
    const inner = transposeA ? shape[2]! : shape[3]!;
    const matrix = transposeB ? [columns, inner] : [inner, columns];
    const second = parameter({ both: [shape[0]!, shape[1]!, ...matrix], last: [shape[1]!, ...matrix], none: matrix }[batchB]);
    if (parameterFirst) return matmul(second, first, { transposeA: !transposeB, transposeB: !transposeA });
    return matmul(first, second, { transposeA, transposeB });
  });

  const window = fc.record({
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    padding: fc.oneof(
      fc.tuple(fc.integer({ min: 2, max: 3 }), fc.integer({ min: 2, max: 3 })),
      fc.record({ top: fc.constant(4), left: fc.nat({ max: 2 }), bottom: fc.nat({ max: 2 }), right: fc.constant(4) }),
      fc.constant<Padding>("same"),
    ),
    dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  });
  property("conv2d", fc.tuple(window, size, fc.boolean()), ([{ kernel, ...options }, outputs, depthwise], shape) => (x, parameter) => {
    const groups = depthwise ? shape[1]! : 1;
    return conv2d(x, parameter([outputs * groups, shape[1]! / groups, ...kernel]), { ...options, groups });
  });
  const transposed = fc.record({
    kernel: fc.tuple(fc.integer({ min: 2, max: 3 }), fc.integer({ min: 2, max: 3 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    padding: fc.record({ top: fc.nat({ max: 1 }), left: fc.constant(0), bottom: fc.constant(0), right: fc.nat({ max: 1 }) }),
    adds: fc.boolean(),
  });
  property(
    "convTranspose2d",
    fc.tuple(transposed, size, fc.boolean()),
    ([{ kernel, adds, ...options }, outputs, depthwise], shape) =>
      (x, parameter) => {
        const groups = depthwise ? shape[1]! : 1;
        const outputPadding = options.stride.map((step) => (adds ? step - 1 : 0)) as [number, number];
        return convTranspose2d(x, parameter([shape[1]!, outputs, ...kernel]), { ...options, outputPadding, groups });
      },
  );
  property("a 1×1 conv2d of merged pixels", size, (outputs, [batch, channels]) => (x, parameter) => {
    const pixels = reshape(x, [batch!, channels!, -1, 1]);
    return conv2d(pixels, reshape(parameter([outputs, channels!]), [outputs, channels!, 1, 1]));
  });
  const pooling = fc.record({
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    pads: fc.boolean(),
    ceilMode: fc.boolean(),
  });
  type Pooling = typeof pooling extends fc.Arbitrary<infer Drawn> ? Drawn : never;
  const windowOf = ({ kernel, stride, ceilMode }: Pooling): PoolingOptions => ({ kernel, stride, ceilMode });
  const edge = ({ kernel, pads }: Pooling): number => (pads ? Math.floor(kernel / 2) : 0);
  /** Pads the image, so that every window fits. */
  const wide = (x: Tensor): Tensor =>
    pad(x, [
      [0, 0],
      [0, 0],
      [1, 1],
      [1, 1],
    ]);
  property("maxPool2d", pooling, (drawn) => (x) => maxPool2d(wide(x), { ...windowOf(drawn), padding: edge(drawn) }));
  /** Padding of two sides only. */
  const corner = ({ kernel }: Pooling): Padding => ({ top: kernel - 1, left: 0, bottom: 0, right: kernel - 1 });
  property(
    "maxPool2d with padding above and to the right",
    pooling,
    (drawn) => (x) => maxPool2d(wide(x), { ...windowOf(drawn), padding: corner(drawn) }),
  );
  property(
    "avgPool2d that does not count the padding",
    pooling,
    (drawn) => (x) => avgPool2d(wide(x), { ...windowOf(drawn), padding: corner(drawn), countIncludePad: false }),
  );
  property("avgPool2d", pooling, (drawn) => (x) => avgPool2d(wide(x), { ...windowOf(drawn), padding: edge(drawn) }));
});

property(
  "norms of images and of permuted or reshaped images",
  fc.constantFrom("image", "columns", "rows", "split"),
  (form, shape) => (x, parameter) => {
    const views = {
      image: x.shape,
      columns: [shape[0]!, shape[1]!, shape[2]! * shape[3]!],
      rows: [shape[0]!, x.size / shape[0]!],
      split: x.shape,
    };
    const given = reshape(form === "split" ? permute(x, [0, 2, 1, 3]) : x, views[form]);
    const y = form === "split" ? reshape(given, [shape[0]!, shape[2]! * shape[1]!, shape[3]!]) : given;
    const channels = [y.shape[1]!];
    const [gamma, beta, mean] = [parameter(channels), parameter(channels), parameter(channels)];
    return batchNormInference(y, gamma, beta, mean, positive(parameter(channels)), 1e-3);
  },
);

property(
  "a scale and a shift of channels, with an addend and an activation",
  fc.record({ activation: fc.constantFrom(undefined, ...activations), addend: fc.constantFrom("none", "computed", "parameter") }),
  ({ activation, addend }, shape) =>
    (x, parameter) => {
      const added = { none: () => undefined, computed: () => elementwise.tanh(x), parameter: () => parameter(shape) }[addend]();
      const [scale, shift] = [parameter([shape[1]!]), parameter([shape[1]!])];
      return channelAffine(elementwise.multiply(x, 4), scale, shift, { addend: added, activation });
    },
);

describe("computations that are nearly a norm", () => {
  const places: Readonly<Record<string, Shape>> = { channels: [3, 1, 1], rows: [3, 1], columns: [3] };
  const names = Object.keys(places);
  const checkNearNorm = (seed: number, body: Body): Promise<void> => check({ shape: [2, 3, 3, 3], subject: "images", seed, body });
  const cases = names.flatMap((scaled) => names.flatMap((shifted) => [true, false].map((whole) => [scaled, shifted, whole] as const)));

  test.each(cases)("scaled along %s, shifted along %s, full-sized: %s", (scaled, shifted, whole) =>
    checkNearNorm(1, (x, parameter) => {
      const [gamma, beta, mu] = [parameter([3]), parameter([3]), parameter([3])];
      const scale = elementwise.multiply(gamma, elementwise.reciprocalSqrt(elementwise.add(positive(parameter([3])), 0.5)));
      const shift = elementwise.subtract(beta, elementwise.multiply(mu, scale));
      const z = whole ? x : sum(x, { axes: [1, 2, 3], keepDims: true });
      return elementwise.add(elementwise.multiply(z, reshape(scale, places[scaled]!)), reshape(shift, places[shifted]!));
    }),
  );

  test("two different scales, a learnt ε, and a learnt scale", () =>
    checkNearNorm(2, (x, parameter) => {
      const [gamma, beta, mu, epsilon] = [parameter([3]), parameter([3]), parameter([3]), parameter([3])];
      const inverse = (added: Tensor | number): Tensor => elementwise.reciprocalSqrt(elementwise.add(positive(gamma), added));
      const along = (vector: Tensor): Tensor => reshape(vector, [3, 1, 1]);
      const norm = (scale: Tensor, other: Tensor): Tensor =>
        elementwise.add(elementwise.multiply(x, along(scale)), along(elementwise.subtract(beta, elementwise.multiply(mu, other))));
      const [one, two] = [elementwise.multiply(gamma, inverse(0.5)), elementwise.multiply(beta, inverse(0.25))];
      const [three, four] = [elementwise.multiply(gamma, inverse(elementwise.absolute(epsilon))), gamma];
      return concat([norm(one, two), norm(three, three), norm(four, four)], 1);
    }));
});
