/**
 * The separable convolution behind a norm and an activation, as one matrix and as a stage, and its gradients. The oracle is the reference: a norm, and then convolutions.
 * An element near the kink of the activation may pass or not, as it is rounded, so cases with one are not drawn.
 */

import fc from "fast-check";
import { it } from "vitest";
import { activations, type NormGeometry, type PrecedingNormStorages } from "../../src/backend/kernels.ts";
import { channelStage, stageLetters } from "../../src/core/channel-stage.ts";
import type { SeparableGeometry } from "../../src/core/separable-geometry.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { geometryOfSeparable, separables } from "./conformance-contractions.ts";
import { normBounds, normGradientBounds, normGradientErrors } from "./conformance-fused-bounds.ts";
import { conforms, floating, holds, onReference, type Run, type Subject } from "./conformance-harness.ts";
import { type Precision, precisions, sumBound } from "./conformance-tolerance.ts";

type Numbers = Float64Array;

const cases = fc.record({
  seed: seeds,
  config: separables,
  activation: fc.constantFrom(...activations),
  mean: fc.constantFrom(0, 3),
  epsilon: fc.constantFrom(1e-5, 1e-2),
});

/** The operands of both kernels, and what lies between the norm and the convolution. */
interface Operands {
  readonly x: Numbers;
  readonly gamma: Numbers;
  readonly beta: Numbers;
  readonly w: Numbers;
  readonly map: Numbers;
  readonly g: Numbers;
  readonly addend: Numbers;
  /** Of the batch, rounded to float32, so that every precision gets the same. */
  readonly mean: Numbers;
  readonly variance: Numbers;
  /** activation(norm(x)), its slopes, and the largest error of the norm in float32. */
  readonly v: Numbers;
  readonly slopes: Numbers;
  readonly error: Numbers;
  /** Whether an element is so near to a kink that rounding may push it over. */
  readonly isNearKink: boolean;
}

const normGeometryOf = ({ window }: SeparableGeometry, epsilon: number): NormGeometry => ({
  batch: window.batch,
  channels: window.inChannels,
  inner: window.height * window.width,
  epsilon,
});

const absolute = (values: Numbers): Numbers => values.map(Math.abs);

function operandsOf(
  seed: number,
  geometry: SeparableGeometry,
  norm: NormGeometry,
  activation: PrecedingNormStorages["activation"],
  around: number,
): Operands {
  const { batch, inChannels, height, width, outHeight, outWidth, kernelHeight, kernelWidth } = geometry.window;
  const x = valuesOf(seed, batch * inChannels * height * width).map((z) => Math.fround(around + z));
  // Shifts of this size put elements below, between and above both kinks of relu6.
  const [gamma, beta] = [valuesOf(seed + 1, inChannels), valuesOf(seed + 2, inChannels).map((z) => Math.fround(3 * z))];
  const [w, map] = [valuesOf(seed + 3, inChannels * kernelHeight * kernelWidth), valuesOf(seed + 4, geometry.outChannels * inChannels)];
  const [g, addend] = [5, 6].map((place) => valuesOf(seed + place, batch * geometry.outChannels * outHeight * outWidth)) as [
    Numbers,
    Numbers,
  ];
  const [plain, mean, variance] = onReference([x, gamma, beta].map(floating), (k, [xs, gammas, betas]) => {
    const result = k.batchNorm(xs!, gammas!, betas!, norm);
    return [result.y, result.mean, result.variance];
  }) as [Numbers, Numbers, Numbers];
  const error = normBounds(x, gamma, beta, norm, precisions.float32)[0]!;
  const kinks = activation === "relu" ? [0] : [0, 6];
  const top = activation === "relu" ? Number.POSITIVE_INFINITY : 6;
  return {
    ...{ x, gamma, beta, w, map, g, addend, error },
    mean: mean.map(Math.fround),
    variance: variance.map(Math.fround),
    v: plain.map((value) => Math.min(Math.max(value, 0), top)),
    slopes: plain.map((value) => Number(value > 0 && value < top)),
    isNearKink: plain.some((value, at) => kinks.some((kink) => Math.abs(value - kink) <= 2 * error[at]!)),
  };
}

/**
 * The bounds of y and of the gradients of x, γ, β, w and P. The errors of the norm pass through the convolution, and those of the convolution's
 * gradient through the norm's.
 */
function boundsOf(operands: Operands, geometry: SeparableGeometry, norm: NormGeometry, precision: Precision): Numbers[] {
  const { x, gamma, beta, w, map, g, addend, mean, variance, v, slopes } = operands;
  const { batch, inChannels, outHeight, outWidth, kernelHeight, kernelWidth } = geometry.window;
  const [taps, positions] = [kernelHeight * kernelWidth, outHeight * outWidth];
  /** y and the gradients of the convolution, all of whose operands are given by their sizes. */
  const sizesFor = (input: Numbers, cotangent: Numbers): [Numbers, Numbers, Numbers, Numbers] =>
    onReference([input, absolute(w), absolute(map), cotangent].map(floating), (k, [vs, ws, maps, gs]) => {
      const gradient = k.separableConv2dGradient(vs!, ws!, maps!, gs!, geometry);
      return [k.separableConv2d(vs!, ws!, maps!, geometry), gradient.x, gradient.w, gradient.map];
    }) as [Numbers, Numbers, Numbers, Numbers];
  const [y, ofV, ofW, ofMap] = sizesFor(v, absolute(g));
  const ofError = sizesFor(normBounds(x, gamma, beta, norm, precision)[0]!, absolute(g));
  const plus = (a: Numbers, b: Numbers): Numbers => a.map((value, at) => value + b[at]!);
  const masked = (values: Numbers): Numbers => values.map((value, at) => value * slopes[at]!);
  const errorOfV = masked(sumBound(geometry.outChannels + taps, ofV, precision));
  const inputs = { x, gamma, mean, variance };
  const ownErrors = normGradientBounds({ ...inputs, g: masked(ofV) }, norm, precision);
  const passedOn = normGradientErrors({ ...inputs, g: errorOfV }, norm);
  return [
    plus(sumBound(taps + inChannels + 1, plus(y, absolute(addend)), precision), ofError[0]),
    ...ownErrors.map((own, i) => plus(own, passedOn[i]!)),
    plus(sumBound(taps + batch * positions, ofW, precision), ofError[2]),
    plus(sumBound(geometry.outChannels + batch * positions, ofMap, precision), ofError[3]),
  ];
}

export function normSeparableConformance(subject: Subject): void {
  /** The map as a stage with the weight P. */
  const contracted = async (
    { x, gamma, beta, w, map, g, mean, variance }: Operands,
    { window, outChannels }: SeparableGeometry,
    then: Pick<PrecedingNormStorages, "epsilon" | "activation">,
    bound: (precision: Precision) => Numbers[],
  ): Promise<void> => {
    const { normContractWindow, normContractWindowGradient } = subject.kernels();
    if (normContractWindow === undefined || normContractWindowGradient === undefined) return;
    const stage = channelStage(stageLetters("oi,i->o", [outChannels, window.inChannels], window.inChannels));
    const geometry = { window, stages: [stage] };
    const run: Run = (k, [xs, gammas, betas, ws, maps, gs, means, variances]) => {
      const before = { gamma: gammas!, beta: betas!, ...then };
      const forward = k.normContractWindow!(xs!, before, ws!, [maps!], geometry);
      const statistics = { mean: means!, variance: variances! };
      const gradient = k.normContractWindowGradient!(xs!, { ...before, ...statistics }, ws!, [maps!], gs!, geometry);
      return [forward.y, gradient.x, gradient.gamma, gradient.beta, gradient.w, ...gradient.weights, forward.mean, forward.variance];
    };
    await conforms(subject, { inputs: [x, gamma, beta, w, map, g, mean, variance].map(floating), run, bound });
  };

  const check = async ({
    seed,
    config,
    activation,
    mean: around,
    epsilon,
  }: typeof cases extends fc.Arbitrary<infer T> ? T : never): Promise<void> => {
    const { normSeparableConv2d, normSeparableConv2dGradient } = subject.kernels();
    // Both kernels are optional.
    if (normSeparableConv2d === undefined || normSeparableConv2dGradient === undefined) return;
    const geometry = geometryOfSeparable(config);
    const norm = normGeometryOf(geometry, epsilon);
    const operands = operandsOf(seed, geometry, norm, activation, around);
    fc.pre(!operands.isNearKink);
    const { x, gamma, beta, w, map, g, addend, mean, variance } = operands;
    const run: Run = (k, [xs, gammas, betas, ws, maps, gs, means, variances, addends]) => {
      const before = { gamma: gammas!, beta: betas!, epsilon, activation };
      const forward = k.normSeparableConv2d!(xs!, before, ws!, maps!, geometry, addends);
      const gradient = k.normSeparableConv2dGradient!(xs!, { ...before, mean: means!, variance: variances! }, ws!, maps!, gs!, geometry);
      return [forward.y, gradient.x, gradient.gamma, gradient.beta, gradient.w, gradient.map, forward.mean, forward.variance];
    };
    const bound = (precision: Precision): Numbers[] => [
      ...boundsOf(operands, geometry, norm, precision),
      ...normBounds(x, gamma, beta, norm, precision).slice(1),
    ];
    // Stages get nothing that is empty.
    if (x.length * map.length * g.length > 0) await contracted(operands, geometry, { epsilon, activation }, bound);
    await conforms(subject, {
      inputs: [x, gamma, beta, w, map, g, mean, variance, ...(seed % 2 === 0 ? [addend] : [])].map(floating),
      run,
      bound,
    });
  };

  it("normSeparableConv2d, normContractWindow and their gradients: any window, whole and broken rows, several bands", () =>
    holds(subject, fc.asyncProperty(cases, check), 60));
}
