/**
 * Winograd's algorithm against the float64 reference, with the bound of docs/derivations/winograd.md; that NaN and ∞ stay where they
 * belong; that results do not depend on the threads; and which convolutions it is chosen for.
 */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { ArenaMemory } from "../../../src/backend/wasm/host/arena-memory.ts";
import { forwardCorrelation, inputGradientCorrelation } from "../../../src/backend/wasm/host/convolution.ts";
import { compileKernels, createMemory, instantiateKernels } from "../../../src/backend/wasm/host/kernel-module.ts";
import type { Machine } from "../../../src/backend/wasm/host/machine.ts";
import { simdNames } from "../../../src/backend/wasm/host/simd.ts";
import { ThreadTeam } from "../../../src/backend/wasm/host/thread-team.ts";
import { openWideKernels } from "../../../src/backend/wasm/host/wide-simd.ts";
import { runWinograd } from "../../../src/backend/wasm/host/winograd.ts";
import { choosesWinograd } from "../../../src/backend/wasm/host/winograd-choice.ts";
import { runWinogradWeightGradient } from "../../../src/backend/wasm/host/winograd-weight-gradient.ts";
import { enableRelaxedSimd } from "../../../src/backend/wasm/node/enable-relaxed-simd.ts";
import { enableWideSimd } from "../../../src/backend/wasm/node/enable-wide-simd.ts";
import { createWasmBackend, type WasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";
import { type ConvolutionGeometry, convolutionGeometry } from "../../../src/core/convolution-geometry.ts";
import { convolutions, geometryOf } from "../../arbitraries/geometries.ts";
import { seeds, valuesOf } from "../../arbitraries/values.ts";
import { precisions } from "../conformance-tolerance.ts";

const roles = ["forward", "inputGradient", "weightGradient"] as const;
type Role = (typeof roles)[number];

const builds = { baseline: true, relaxed: enableRelaxedSimd(), wide: enableWideSimd() };
const reference = createReferenceBackend();

const kernelOf = { forward: "conv2d", inputGradient: "conv2dInputGradient", weightGradient: "conv2dWeightGradient" } as const;

/** How many elements the two operands of a role and its result hold. */
function lengths(role: Role, g: ConvolutionGeometry): [number, number, number] {
  const x = g.batch * g.inChannels * g.height * g.width;
  const w = g.outChannels * g.inChannels * 9;
  const y = g.batch * g.outChannels * g.outHeight * g.outWidth;
  return { forward: [x, w, y], inputGradient: [y, w, x], weightGradient: [x, y, w] }[role] as [number, number, number];
}

function onReference(role: Role, g: ConvolutionGeometry, a: Float64Array, b: Float64Array): Float64Array {
  const inputs = [reference.upload("float64", a), reference.upload("float64", b)] as const;
  const result = reference[kernelOf[role]](...inputs, g);
  const values = Float64Array.from(result.view as Float64Array);
  for (const storage of [...inputs, result]) storage.release();
  return values;
}

/** Winograd's algorithm itself, whatever the rule would choose. It says whether all results are finite. */
function winograd({ machine }: { machine: Machine }, role: Role, g: ConvolutionGeometry, a: Float64Array, b: Float64Array) {
  const { memory, kernels } = machine;
  const [first, second, target] = lengths(role, g).map((length) => memory.allocate("float32", length)) as [Target, Target, Target];
  first.view.set(a);
  second.view.set(b);
  const operands = { source: first.pointer, weights: second.pointer, target };
  const finite =
    role === "weightGradient"
      ? runWinogradWeightGradient(machine, first.pointer, second.pointer, target, g)
      : runWinograd(machine, (role === "forward" ? forwardCorrelation : inputGradientCorrelation)(operands, g, kernels.convRun.value));
  const values = Float32Array.from(target.view);
  for (const storage of [first, second, target]) storage.release();
  return { finite, values };
}
type Target = ReturnType<ArenaMemory["allocate"]>;

// The absolute values of the matrices of F(2×2, 3×3) and F(3×3, 2×2).
const absB = [
  [1, 0, 1, 0],
  [0, 1, 1, 0],
  [0, 1, 1, 0],
  [0, 1, 0, 1],
];
const kernel3 = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, 0.5, 0.5],
  [0, 0, 1],
];
const output2 = [
  [1, 1, 1, 0],
  [0, 1, 1, 1],
];
const kernel2 = [
  [1, 0],
  [0.5, 0.5],
  [0.5, 0.5],
  [0, 1],
];
const output3 = [
  [1, 1, 1, 0],
  [0, 1, 1, 0],
  [0, 1, 1, 1],
];

/** P·m·Pᵀ for a square m. */
function sandwich(p: readonly (readonly number[])[], m: (row: number, column: number) => number): number[][] {
  return p.map((left) =>
    p.map((right) => {
      let sum = 0;
      for (const [i, l] of left.entries()) if (l !== 0) for (const [j, r] of right.entries()) if (r !== 0) sum += l * r * Math.abs(m(i, j));
      return sum;
    }),
  );
}

/** An element of [a][b][height][width], or 0 outside the image. */
const pixel = (values: Float64Array, plane: number, height: number, width: number, row: number, column: number): number =>
  row < 0 || column < 0 || row >= height || column >= width ? 0 : values[(plane * height + row) * width + column]!;

/** The source of the windows, and where they lie in it. */
interface Windows {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly top: number;
  readonly left: number;
}

/** Every window of 4×4 pixels, as the algorithm transforms it, of absolute values: one for each channel. */
function* windowsOf(
  { batch, channels, height, width, outHeight, outWidth, top, left }: Windows,
  source: Float64Array,
): Generator<{ readonly n: number; readonly row: number; readonly column: number; readonly windows: readonly number[][][] }> {
  for (let n = 0; n < batch; n++)
    for (let row = 0; row < outHeight; row += 2)
      for (let column = 0; column < outWidth; column += 2) {
        const windows = Array.from({ length: channels }, (_, c) =>
          sandwich(absB, (i, j) => pixel(source, n * channels + c, height, width, row + i - top, column + j - left)),
        );
        yield { n, row, column, windows };
      }
}

/**
 * What the error is a multiple of: the sums that the algorithm makes, of absolute values. `weight(o, c, u, v)` is the kernel as the windows
 * of the source meet it.
 */
function correlationMagnitudes(
  s: Windows & { readonly outChannels: number },
  source: Float64Array,
  weight: (o: number, c: number, u: number, v: number) => number,
): Float64Array {
  const out = new Float64Array(s.batch * s.outChannels * s.outHeight * s.outWidth);
  const kernels = Array.from({ length: s.outChannels }, (_, o) =>
    Array.from({ length: s.channels }, (_, c) => sandwich(kernel3, (u, v) => weight(o, c, u, v))),
  );
  for (const { n, row, column, windows } of windowsOf(s, source))
    for (let o = 0; o < s.outChannels; o++) {
      const products = absB.map((_, i) => absB.map((_, j) => windows.reduce((sum, d, c) => sum + d[i]![j]! * kernels[o]![c]![i]![j]!, 0)));
      for (const [i, line] of sandwich(output2, (u, v) => products[u]![v]!).entries())
        for (const [j, value] of line.entries())
          if (row + i < s.outHeight && column + j < s.outWidth)
            out[((n * s.outChannels + o) * s.outHeight + row + i) * s.outWidth + column + j] = value;
    }
  return out;
}

function gradientMagnitudes(s: ConvolutionGeometry, x: Float64Array, g: Float64Array): Float64Array {
  const products = Array.from({ length: s.outChannels * s.inChannels }, () => absB.map(() => [0, 0, 0, 0]));
  const source = { ...s, channels: s.inChannels, top: s.paddingY, left: s.paddingX };
  for (const { n, row, column, windows } of windowsOf(source, x))
    for (let o = 0; o < s.outChannels; o++) {
      const kernel = sandwich(kernel2, (i, j) => pixel(g, n * s.outChannels + o, s.outHeight, s.outWidth, row + i, column + j));
      for (const [c, d] of windows.entries())
        for (let i = 0; i < 4; i++) for (let j = 0; j < 4; j++) products[o * s.inChannels + c]![i]![j]! += kernel[i]![j]! * d[i]![j]!;
    }
  return Float64Array.from(products.flatMap((m) => sandwich(output3, (i, j) => m[i]![j]!).flat()));
}

/** The sums of absolute values, and how many roundings an element sees at most (docs/derivations/winograd.md). */
function boundOf(role: Role, g: ConvolutionGeometry, a: Float64Array, b: Float64Array): { magnitudes: Float64Array; roundings: number } {
  const { batch, inChannels, outChannels, height, width, outHeight, outWidth, paddingY, paddingX } = g;
  if (role === "weightGradient")
    return { magnitudes: gradientMagnitudes(g, a, b), roundings: batch * Math.ceil(outHeight / 2) * Math.ceil(outWidth / 2) + 8 };
  const tap = (o: number, c: number, u: number, v: number): number => b[((o * inChannels + c) * 3 + u) * 3 + v]!;
  if (role === "forward") {
    const shape = { batch, channels: inChannels, outChannels, height, width, outHeight, outWidth, top: paddingY, left: paddingX };
    return { magnitudes: correlationMagnitudes(shape, a, tap), roundings: inChannels + 10 };
  }
  const shape = {
    ...{ batch, channels: outChannels, outChannels: inChannels, height: outHeight, width: outWidth },
    ...{ outHeight: height, outWidth: width, top: 2 - paddingY, left: 2 - paddingX },
  };
  return { magnitudes: correlationMagnitudes(shape, a, (o, c, u, v) => tap(c, o, 2 - u, 2 - v)), roundings: outChannels + 10 };
}

const between = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const geometries = fc
  .record({
    batch: between(1, 5),
    inChannels: between(1, 19),
    outChannels: between(1, 19),
    height: between(1, 19),
    width: between(1, 19),
    padding: fc.tuple(between(0, 3), between(0, 3), between(0, 3), between(0, 3)),
  })
  .filter(({ height, width, padding: [top, left, bottom, right] }) => height + top + bottom >= 3 && width + left + right >= 3)
  .map(({ batch, inChannels, outChannels, height, width, padding: [top, left, bottom, right] }) =>
    convolutionGeometry("conv2d", [batch, inChannels, height, width], [outChannels, inChannels, 3, 3], {
      padding: { top, left, bottom, right },
    }),
  );

/**
 * `normal`; `spread`: of sizes 2⁻²⁰ to 2²⁰ side by side; `cancelling`: one large number with changing signs, and small differences, so that
 * nearly nothing is left of the sums.
 */
const kinds = {
  normal: (values: Float64Array) => values,
  spread: (values: Float64Array) => values.map((value, i) => Math.fround(value * 2 ** (((Math.imul(i, 2654435761) >>> 8) % 41) - 20))),
  cancelling: (values: Float64Array) => values.map((value, i) => Math.fround((i % 2 === 0 ? 1000 : -1000) + value)),
};

/** A convolution for which every build chooses Winograd's algorithm in every role. */
const chosen = convolutionGeometry("conv2d", [4, 48, 16, 15], [48, 48, 3, 3], { padding: 1 });

const { unit, underflow } = precisions.float32;

for (const simd of simdNames.filter((name) => builds[name]))
  describe(`Winograd's algorithm, ${simd} SIMD`, () => {
    let machine: Machine;
    let backends: readonly WasmBackend[] = [];

    beforeAll(async () => {
      const wide = simd === "wide" ? await openWideKernels(false) : undefined;
      if (wide && !("module" in wide)) throw new Error(wide.refusal);
      const module = wide?.module ?? (await compileKernels(simd, false));
      const { memory, maximumBytes } = createMemory(2 ** 28, false);
      const team = new ThreadTeam(1);
      const kernels = instantiateKernels(module, memory, team);
      await team.start(module, memory, kernels);
      machine = { kernels, memory: new ArenaMemory(memory, maximumBytes), team };
      backends = [await createWasmBackend({ threads: 1, simd }), await createWasmBackend({ threads: 2, simd })];
    });
    afterAll(() => {
      for (const backend of backends) backend.dispose();
    });

    for (const role of roles) {
      for (const [kind, change] of Object.entries(kinds))
        it(`${role}: ${kind} values stay within the bound of the derivation`, () =>
          fc.assert(
            fc.property(seeds, geometries, (seed, g) => {
              const [first, second] = lengths(role, g);
              const [a, b] = [change(valuesOf(seed, first)), change(valuesOf(seed + 1, second))];
              const { finite, values } = winograd({ machine }, role, g, a, b);
              expect(finite).toBe(true);
              const expected = onReference(role, g, a, b);
              const { magnitudes, roundings } = boundOf(role, g, a, b);
              for (const [i, value] of values.entries())
                if (!(Math.abs(value - expected[i]!) <= (roundings + 2) * unit * magnitudes[i]! + 64 * roundings * underflow))
                  expect.fail(`element ${i}: got ${value}, expected ${expected[i]}, magnitude ${magnitudes[i]}, roundings ${roundings}`);
            }),
            { numRuns: 15 },
          ));

      it(`${role}: one NaN or infinity reaches the results that it takes part in, and no other`, () =>
        fc.assert(
          fc.property(seeds, fc.constantFrom(Number.NaN, Infinity, -Infinity), fc.boolean(), (seed, special, inFirst) => {
            const g = chosen;
            const [first, second] = lengths(role, g);
            const [a, b] = [valuesOf(seed, first, "integers"), valuesOf(seed + 1, second, "integers")];
            const operand = inFirst ? a : b;
            operand[(seed * 7919) % operand.length] = special;
            expect(winograd({ machine }, role, g, a, b).finite).toBe(false);
            // Integers are exact in every algorithm, so the backend must give the numbers of the reference.
            const expected = Float32Array.from(onReference(role, g, a, b));
            const [backend] = backends;
            const inputs = [backend!.upload("float32", a), backend!.upload("float32", b)] as const;
            const result = backend![kernelOf[role]](...inputs, g);
            const values = Float32Array.from(result.view as Float32Array);
            for (const storage of [...inputs, result]) storage.release();
            for (const [i, value] of expected.entries())
              if (value !== values[i] && !(Number.isNaN(value) && Number.isNaN(values[i])))
                expect.fail(`element ${i}: got ${values[i]}, expected ${value}`);
          }),
          { numRuns: 3 },
        ));

      it(`${role}: the backend runs it where it is chosen, with the same bits for any number of threads`, () => {
        const g = chosen;
        const { gemmRows, gemmColumns, convRun } = machine.kernels;
        const tiles = { gemmRows: gemmRows.value, gemmColumns: gemmColumns.value, convRun: convRun.value };
        expect(choosesWinograd(role, g, tiles)).toBe(true);
        const [first, second] = lengths(role, g);
        const [a, b] = [valuesOf(1, first), valuesOf(2, second)];
        const { values } = winograd({ machine }, role, g, a, b);
        for (const backend of backends) {
          const inputs = [backend.upload("float32", a), backend.upload("float32", b)] as const;
          const result = backend[kernelOf[role]](...inputs, g);
          expect(Float32Array.from(result.view as Float32Array)).toEqual(values);
          for (const storage of [...inputs, result]) storage.release();
        }
      });
    }
  });

describe("The choice of Winograd's algorithm", () => {
  const tiles = { narrow: { gemmRows: 4, gemmColumns: 8, convRun: 4 }, wide: { gemmRows: 6, gemmColumns: 16, convRun: 8 } };

  it("is never made for other kernels, strides, dilations and groups", () =>
    fc.assert(
      fc.property(convolutions({ maxChannels: 90, maxBatch: 40, maxSize: 40 }), fc.constantFrom(...roles), (config, role) => {
        const { kernelHeight, kernelWidth, strideY, strideX, dilationY, dilationX, groups, ...rest } = geometryOf(config);
        const form = [kernelHeight, kernelWidth, strideY, strideX, dilationY, dilationX, groups].join();
        const g = { kernelHeight, kernelWidth, strideY, strideX, dilationY, dilationX, groups, ...rest };
        for (const build of Object.values(tiles)) if (choosesWinograd(role, g, build)) expect(form).toBe("3,3,1,1,1,1,1");
      }),
    ));

  it("is the same for an input gradient as for the forward convolution that it is", () =>
    fc.assert(
      fc.property(geometries, fc.constantFrom(...Object.values(tiles)), fc.integer({ min: 1, max: 8 }), (g, build, scale) => {
        const own = { ...g, inChannels: scale * g.inChannels, outChannels: scale * g.outChannels };
        const forward = {
          ...{ ...own, inChannels: own.outChannels, outChannels: own.inChannels },
          ...{ height: g.outHeight, width: g.outWidth, outHeight: g.height, outWidth: g.width },
        };
        expect(choosesWinograd("inputGradient", own, build)).toBe(choosesWinograd("forward", forward, build));
      }),
      { numRuns: 1000 },
    ));

  // The smallest number of channels, in and out, for which the costs in winograd-choice.ts are below those of the direct algorithm. It is
  // worked out by hand: forward in the narrow build on many images of 16×16, 36·C² > 16·C² + 2·75·C, so C > 7.5.
  it.each([
    ["forward", "narrow", 64, 16, 8],
    ["forward", "wide", 64, 16, 12],
    ["weightGradient", "narrow", 64, 16, 16],
    ["weightGradient", "wide", 64, 16, 28],
    // On few windows, the transforms of the kernels count.
    ["forward", "narrow", 1, 8, 16],
    ["forward", "wide", 2, 8, 28],
    ["weightGradient", "narrow", 1, 8, 32],
    ["weightGradient", "wide", 2, 8, 46],
  ] as const)("%s, %s build, batch %i, %i pixels: from %i channels on", (role, build, batch, size, least) => {
    const chosenFor = (channels: number): boolean =>
      choosesWinograd(
        role,
        convolutionGeometry("conv2d", [batch, channels, size, size], [channels, channels, 3, 3], { padding: 1 }),
        tiles[build],
      );
    expect([least - 1, least].map(chosenFor)).toEqual([false, true]);
  });

  // Measured: channels, image size, batch, and the builds on which Winograd's algorithm was clearly faster (docs/benchmarks.md).
  const measured = [
    { channels: [3, 16], size: 32, batch: 16, forward: [], weightGradient: [] },
    { channels: [8, 8], size: 32, batch: 16, forward: ["narrow"], weightGradient: [] },
    { channels: [16, 16], size: 16, batch: 32, forward: ["narrow", "wide"], weightGradient: ["narrow"] },
    { channels: [32, 32], size: 32, batch: 8, forward: ["narrow", "wide"], weightGradient: ["narrow", "wide"] },
    { channels: [64, 64], size: 16, batch: 64, forward: ["narrow", "wide"], weightGradient: ["narrow", "wide"] },
    { channels: [128, 128], size: 8, batch: 32, forward: ["narrow", "wide"], weightGradient: ["narrow", "wide"] },
  ] as const;

  for (const {
    channels: [inChannels, outChannels],
    size,
    batch,
    ...expected
  } of measured)
    it(`follows the measurement: ${inChannels} → ${outChannels} channels, ${size}×${size}, batch ${batch}`, () => {
      const g = convolutionGeometry("conv2d", [batch, inChannels, size, size], [outChannels, inChannels, 3, 3], { padding: 1 });
      for (const role of ["forward", "weightGradient"] as const)
        expect(Object.entries(tiles).flatMap(([name, build]) => (choosesWinograd(role, g, build) ? [name] : []))).toEqual(expected[role]);
    });
});
