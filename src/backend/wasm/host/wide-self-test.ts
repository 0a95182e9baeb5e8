/**
 * Checks the wide build before it is trusted: the engine's joining of vectors is experimental. Every kernel of the build computes small,
 * fixed inputs, and so does the baseline build in the same engine. The sizes make each kernel run whole tiles, ragged edges and rests.
 */

import { channelStage, stageLetters } from "../../../core/channel-stage.ts";
import { type ConvolutionOptions, convolutionGeometry } from "../../../core/convolution-geometry.ts";
import { separableGeometry, type WindowOptions } from "../../../core/separable-geometry.ts";
import type { Storage } from "../../../tensor/storage.ts";
import { viewOf } from "../../host-storage.ts";
import {
  type Activation,
  activations,
  type BinaryOp,
  binaryOps,
  type KernelName,
  type Kernels,
  type UnaryOp,
  unaryOps,
} from "../../kernels.ts";

type Tested = Pick<Kernels, KernelName>;

/** One call of a kernel. Its inputs are made by `numbers(length)` and are the same for both builds. */
interface Case {
  readonly name: string;
  readonly run: (kernels: Tested, numbers: (length: number) => Storage) => readonly Storage[];
}

/**
 * The builds differ in the rounding of single operations. Over the at most 960 terms of a sum this stays below 10⁻⁵ of the largest result,
 * because roundings go both ways.
 */
const tolerance = 1e-5;

/** What the wide build computes differently from the baseline build, as text; undefined where nothing differs. */
export function differenceOf(wide: Tested, baseline: Tested): string | undefined {
  for (const { name, run } of cases) {
    const results = [wide, baseline].map((kernels) => {
      let drawn = 0;
      const inputs: Storage[] = [];
      const outputs = run(kernels, (length) => {
        const input = kernels.upload(
          "float32",
          Float32Array.from({ length }, () => Math.sin(1.7 * ++drawn)),
        );
        inputs.push(input);
        return input;
      });
      const values = outputs.map((output) => Float64Array.from(viewOf(output)));
      for (const storage of new Set([...inputs, ...outputs])) storage.release();
      return values;
    });
    const [got, expected] = results as [Float64Array[], Float64Array[]];
    for (const [i, values] of expected.entries()) {
      const largest = values.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
      const at = values.findIndex((value, j) => !agrees(got[i]![j]!, value, tolerance * largest));
      if (at >= 0) return `${name}: element ${at} must be ${values[at]}, got ${got[i]![at]}`;
    }
  }
  return undefined;
}

const agrees = (got: number, expected: number, bound: number): boolean => Object.is(got, expected) || Math.abs(got - expected) <= bound;

const matmulCase = (m: number, k: number, n: number, transposeA: boolean, transposeB: boolean): Case => ({
  name: `matmul of ${m}×${k} and ${k}×${n}${transposeA ? ", A transposed" : ""}${transposeB ? ", B transposed" : ""}`,
  run: (kernels, numbers) => {
    const geometry = { batch: 1, m, k, n, transposeA, transposeB, batchStrideA: m * k, batchStrideB: k * n };
    return [kernels.matmul(numbers(m * k), numbers(k * n), geometry)];
  },
});

/** Whole tiles and edges. The operands count as results, so that they are released. */
const doubleMatmulCase: Case = {
  name: "matmul in float64",
  run: (kernels, numbers) => {
    const [m, k, n] = [9, 40, 11];
    const geometry = { batch: 1, m, k, n, transposeA: false, transposeB: true, batchStrideA: m * k, batchStrideB: k * n };
    const [a, b] = [kernels.cast(numbers(m * k), "float64"), kernels.cast(numbers(k * n), "float64")];
    return [a, b, kernels.matmul(a, b, geometry)];
  },
};

/** A convolution and both gradients. */
function convolutionCase(x: readonly number[], w: readonly number[], options: ConvolutionOptions): Case {
  const geometry = convolutionGeometry("self-test", x, w, options);
  const size = (shape: readonly number[]): number => shape.reduce((product, side) => product * side, 1);
  const { batch, outChannels, outHeight, outWidth } = geometry;
  return {
    name: `convolution of ${x.join("×")} with ${w.join("×")}, ${JSON.stringify(options)}`,
    run: (kernels, numbers) => {
      const [image, weights, g] = [numbers(size(x)), numbers(size(w)), numbers(batch * outChannels * outHeight * outWidth)];
      return [
        kernels.conv2d(image, weights, geometry),
        kernels.conv2dInputGradient(g, weights, geometry),
        kernels.conv2dWeightGradient(image, g, geometry),
      ];
    },
  };
}

/** Two stages, with rows in another order, and columns that fill runs or leave a rest. */
const stagesCases = [48, 13].map(
  (columns): Case => ({
    name: `contractChannels on ${columns} columns`,
    run: (kernels, numbers) => {
      const equations = [
        ["kjai,ki->kja", [3, 2, 2, 5]],
        ["jlka,kja->lj", [2, 5, 3, 2]],
      ] as const;
      let channels = 15;
      const stages = equations.map(([equation, shape]) => {
        const stage = channelStage(stageLetters(equation, shape, channels));
        channels = stage.groups * stage.outputs;
        return stage;
      });
      const geometry = { batch: 3, columns, stages };
      const weights = [numbers(60), numbers(60)];
      const [x, g] = [numbers(3 * 15 * columns), numbers(3 * 10 * columns)];
      const { contractChannels, contractChannelsGradient } = kernels as Required<Tested>;
      const gradient = contractChannelsGradient(x, weights, g, geometry);
      return [contractChannels(x, weights, geometry), gradient.x, ...gradient.weights];
    },
  }),
);
/** A window before two stages, with stride 1 or 2, on whole rows. */
const windowStagesCases = [1, 2].map(
  (stride): Case => ({
    name: `contractWindow with stride ${stride}`,
    run: (kernels, numbers) => {
      const [batch, channels, height, width] = [3, 6, 6, 32];
      const window = convolutionGeometry("self-test", [batch, channels, height, width], [channels, 1, 3, 3], {
        ...{ stride, padding: 1, groups: channels },
      });
      const stages = [channelStage(stageLetters("ri,ia->ra", [5, 3], channels)), channelStage(stageLetters("aor,ra->oa", [2, 7, 5], 10))];
      const weights = [numbers(15), numbers(70)];
      const [x, w] = [numbers(batch * channels * height * width), numbers(channels * 9)];
      const g = numbers(batch * 14 * window.outHeight * window.outWidth);
      const geometry = { window, stages };
      const { contractWindow, contractWindowGradient, normContractWindow, normContractWindowGradient } = kernels as Required<Tested>;
      const gradient = contractWindowGradient(x, w, weights, g, geometry);
      const norm = { gamma: numbers(channels), beta: numbers(channels), epsilon: 1e-5, activation: "relu" as const };
      const normed = normContractWindow(x, norm, w, weights, geometry);
      const { mean, variance } = normed;
      const normedGradient = normContractWindowGradient(x, { ...norm, mean, variance }, w, weights, g, geometry);
      return [
        ...[contractWindow(x, w, weights, geometry), gradient.x, gradient.w, ...gradient.weights],
        ...[normed.y, mean, variance, normedGradient.x, normedGradient.gamma, normedGradient.beta, normedGradient.w],
        ...normedGradient.weights,
      ];
    },
  }),
);

/** A separable convolution and its gradients: a 3×3 window on whole rows with stride 1 or 2, or any other. */
function separableCase(x: readonly number[], outChannels: number, kernel: number, options: WindowOptions): Case {
  const channels = x[1]!;
  const geometry = separableGeometry("self-test", x, [channels, 1, kernel, kernel], [outChannels, channels], options);
  const { batch, height, width, outHeight, outWidth } = geometry.window;
  return {
    name: `separable convolution of ${x.join("×")} to ${outChannels} channels, ${kernel}×${kernel}, ${JSON.stringify(options)}`,
    run: (kernels, numbers) => {
      const [image, window, map] = [
        numbers(batch * channels * height * width),
        numbers(channels * kernel ** 2),
        numbers(outChannels * channels),
      ];
      const gradient = kernels.separableConv2dGradient(image, window, map, numbers(batch * outChannels * outHeight * outWidth), geometry);
      return [kernels.separableConv2d(image, window, map, geometry), ...Object.values(gradient)];
    },
  };
}

/** The same behind a norm and an activation, on planes that end in a rest. */
function normSeparableCase(x: readonly number[], outChannels: number, activation: Activation, options: WindowOptions): Case {
  const channels = x[1]!;
  const geometry = separableGeometry("self-test", x, [channels, 1, 3, 3], [outChannels, channels], options);
  const { batch, height, width, outHeight, outWidth } = geometry.window;
  return {
    name: `${activation} and separable convolution of ${x.join("×")} behind a norm, ${JSON.stringify(options)}`,
    run: (kernels, numbers) => {
      const { normSeparableConv2d, normSeparableConv2dGradient } = kernels as Required<Tested>;
      const [image, window, map] = [numbers(batch * channels * height * width), numbers(channels * 9), numbers(outChannels * channels)];
      const norm = { gamma: numbers(channels), beta: numbers(channels), epsilon: 1e-5, activation };
      const { y, mean, variance } = normSeparableConv2d(image, norm, window, map, geometry);
      const [g, addend] = [numbers(batch * outChannels * outHeight * outWidth), numbers(batch * outChannels * outHeight * outWidth)];
      const sum = kernels.separableConv2d(image, window, map, geometry, addend);
      const gradient = normSeparableConv2dGradient(image, { ...norm, mean, variance }, window, map, g, geometry);
      return [y, sum, mean, variance, ...Object.values(gradient)];
    },
  };
}

const separables: readonly Case[] = [
  normSeparableCase([2, 5, 6, 16], 6, "relu", { padding: 1 }),
  normSeparableCase([2, 3, 5, 11], 4, "relu6", { padding: 1 }),
  normSeparableCase([2, 3, 6, 16], 4, "relu", { padding: 1, stride: 2 }),
  separableCase([3, 7, 6, 16], 9, 3, { padding: 1 }),
  separableCase([2, 5, 5, 8], 6, 3, { padding: 1 }),
  separableCase([2, 6, 9, 11], 5, 3, { padding: 1, stride: 2 }),
  separableCase([2, 5, 6, 16], 6, 3, { padding: 1, stride: 2 }),
];

/** Pairs of vectors, one single vector and a rest. */
const length = 77;

const elementwise: readonly Case[] = [
  ...unaryOps.map((op: UnaryOp): Case => ({ name: op, run: (kernels, numbers) => [kernels.unary(op, numbers(length))] })),
  ...binaryOps.flatMap((op: BinaryOp): Case[] =>
    [
      [1, 1],
      [1, 0],
      [0, 1],
    ].map(([a, b]) => ({
      name: op,
      run: (kernels, numbers) => [
        kernels.binary(op, numbers(a ? length : 1), numbers(b ? length : 1), { shape: [length], stridesA: [a!], stridesB: [b!] }),
      ],
    })),
  ),
  { name: "select", run: (kernels, numbers) => [kernels.select(kernels.unary("step", numbers(length)), numbers(length), numbers(length))] },
  {
    name: "accumulate",
    run: (kernels, numbers) => {
      const target = numbers(length);
      kernels.accumulate(target, numbers(length));
      return [target];
    },
  },
  { name: "clamp", run: (kernels, numbers) => [kernels.clamp(numbers(length), -0.5, 0.25)] },
  { name: "full", run: (kernels) => [kernels.full("float32", length, 3)] },
  {
    name: "readView",
    run: (kernels, numbers) => [kernels.readView(numbers(60), { shape: [5, 12], strides: [1, 5], offset: 0 })],
  },
  {
    name: "assemble",
    run: (kernels, numbers) => [
      kernels.assemble("float32", 80, 2, [{ source: numbers(60), view: { shape: [5, 12], strides: [16, 1], offset: 3 } }]),
    ],
  },
];

const alongAxes: readonly Case[] = [
  ...(["sum", "max"] as const).flatMap((op) =>
    [1, 21].map(
      (inner): Case => ({
        name: `${op}, inner ${inner}`,
        run: (kernels, numbers) => [kernels.reduce(op, numbers(3 * 45 * inner), { outer: 3, axis: 45, inner })],
      }),
    ),
  ),
  ...[1, 21].map(
    (inner): Case => ({
      name: `argmax, inner ${inner}`,
      run: (kernels, numbers) => [kernels.argmax(numbers(3 * 45 * inner), { outer: 3, axis: 45, inner })],
    }),
  ),
  ...[
    [60, 16],
    [9, 3],
  ].flatMap(([axis, inner]) =>
    [false, true].map(
      (transpose): Case => ({
        name: `cosineTransform of ${axis}${transpose ? ", transposed" : ""}`,
        run: (kernels, numbers) => [
          kernels.cosineTransform(numbers(2 * axis! * inner!), transpose, { outer: 2, axis: axis!, inner: inner! }),
        ],
      }),
    ),
  ),
];

const batchNorms: readonly Case[] = [undefined, ...activations].flatMap((activation) =>
  [false, true].map(
    (adds): Case => ({
      name: `batchNorm${adds ? " with an addend" : ""}${activation === undefined ? "" : ` and ${activation}`}`,
      run: (kernels, numbers) => {
        const geometry = { batch: 2, channels: 3, inner: 43, epsilon: 1e-5 };
        const [x, gamma, beta, g] = [numbers(258), numbers(3), numbers(3), numbers(258)];
        const then = { addend: adds ? numbers(258) : undefined, activation };
        const affine = kernels.channelAffine(x, gamma, beta, geometry, then);
        const { y, mean, variance } = kernels.batchNorm(x, gamma, beta, geometry, then);
        // The slopes are taken from g, which is the same for both builds. A y near 0 may be positive in one of them only.
        const through = activation && { activation, y: g, addend: adds };
        const gradient = kernels.batchNormGradient(x, gamma, mean, variance, g, geometry, through);
        const ofAddend = gradient.addend === undefined ? [] : [gradient.addend];
        return [affine, y, mean, variance, gradient.x, gradient.gamma, gradient.beta, ...ofAddend];
      },
    }),
  ),
);

/** Rows of one element, and rows of vectors with a rest. The indices come from overlapping windows of max pooling, so that they repeat. */
const indexingCases = [1, 37].map(
  (inner): Case => ({
    name: `gather and scatterAdd, inner ${inner}`,
    run: (kernels, numbers) => {
      const geometry = convolutionGeometry("self-test", [1, 1, 9, 9], [1, 1, 3, 3], { padding: 1 });
      const { values, indices } = kernels.maxPool2d(numbers(81), geometry);
      const split = { outer: 1, axis: 81, inner };
      return [
        values,
        indices,
        kernels.gather(numbers(81 * inner), indices, split),
        kernels.scatterAdd(numbers(81 * inner), indices, split),
      ];
    },
  }),
);

/** Windows inside the image, windows over its border, and rows that are no multiple of a vector. */
const poolingCases = [
  { size: 14, kernel: 2, stride: 2, padding: 0 },
  { size: 13, kernel: 3, stride: 2, padding: 1 },
  { size: 9, kernel: 3, stride: 1, padding: 1 },
].map(
  ({ size, kernel, stride, padding }): Case => ({
    name: `maxPool2d of ${kernel}×${kernel}, stride ${stride}`,
    run: (kernels, numbers) => {
      const geometry = convolutionGeometry("self-test", [1, 2, size, size], [2, 1, kernel, kernel], { stride, padding, groups: 2 });
      const { values, indices } = kernels.maxPool2d(numbers(2 * size * size), geometry);
      return [values, indices];
    },
  }),
);

const optimisers: readonly Case[] = [
  ...[false, true].map(
    (nesterov): Case => ({
      name: "sgdUpdate",
      run: (kernels, numbers) => {
        const [parameter, momentum] = [numbers(length), numbers(length)];
        const entry = { parameter, gradient: numbers(length), momentum, learningRate: 0.1, weightDecay: 0.01 };
        kernels.sgdUpdate([entry], { momentum: 0.9, nesterov, first: false });
        return [parameter, momentum];
      },
    }),
  ),
  ...[false, true].map(
    (decoupled): Case => ({
      name: "adamUpdate",
      run: (kernels, numbers) => {
        const [parameter, mean] = [numbers(length), numbers(length)];
        const square = kernels.unary("absolute", mean);
        const entry = { parameter, gradient: numbers(length), mean, square, learningRate: 0.1, weightDecay: 0.01, step: 3 };
        kernels.adamUpdate([entry], { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled });
        return [parameter, mean, square];
      },
    }),
  ),
];

const cases: readonly Case[] = [
  matmulCase(13, 300, 37, false, false),
  matmulCase(13, 40, 37, true, false),
  matmulCase(13, 40, 37, false, true),
  doubleMatmulCase,
  convolutionCase([2, 5, 8, 8], [7, 5, 3, 3], { padding: 1 }),
  convolutionCase([1, 5, 7, 19], [6, 5, 3, 3], { padding: 1, stride: 2 }),
  convolutionCase([2, 9, 6, 6], [5, 9, 1, 1], {}),
  // Both builds compute this one by Winograd's algorithm.
  convolutionCase([4, 48, 16, 15], [48, 48, 3, 3], { padding: 1 }),
  convolutionCase([2, 6, 8, 11], [6, 1, 3, 3], { padding: 1, groups: 6 }),
  convolutionCase([2, 6, 16, 16], [6, 1, 3, 3], { padding: 1, groups: 6 }),
  ...stagesCases,
  ...windowStagesCases,
  ...elementwise,
  ...alongAxes,
  ...poolingCases,
  ...indexingCases,
  ...separables,
  ...batchNorms,
  ...optimisers,
];
