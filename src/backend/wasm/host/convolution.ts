/** Convolution and its two gradients: says which operand takes which role, and which kernel runs. */

import { type ConvolutionGeometry, convolutionMultiplyAdds } from "../../../core/convolution-geometry.ts";
import type { Kernels } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { flattened, forwardPlan, inputGradientPlan } from "./convolution-plan.ts";
import { type Correlation, runCorrelation } from "./correlation.ts";
import { isDepthwise, runDepthwise } from "./depthwise.ts";
import { isFloat32, type Machine, sharedWork } from "./machine.ts";
import { runWeightGradient } from "./weight-gradient.ts";
import { runWinograd } from "./winograd.ts";
import { type ConvolutionRole, choosesWinograd } from "./winograd-choice.ts";
import { runWinogradWeightGradient } from "./winograd-weight-gradient.ts";

type Convolution = "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient";

export const convolutionAcceptances: Acceptances<Convolution> = {
  conv2d: { dtypes: ["float32"], accepts: (x, w) => isFloat32(x) && isFloat32(w) },
  conv2dInputGradient: { dtypes: ["float32"], accepts: (g, w) => isFloat32(g) && isFloat32(w) },
  conv2dWeightGradient: { dtypes: ["float32"], accepts: (x, g) => isFloat32(x) && isFloat32(g) },
};

/** A 1×1 convolution runs on planes seen as single rows, unless their rows already end at the end of a run. */
const inWholeRows = (geometry: ConvolutionGeometry, run: number): ConvolutionGeometry =>
  geometry.width % run === 0 ? geometry : flattened(geometry);

type Roles = Pick<Correlation, "source" | "weights" | "target">;

export function forwardCorrelation({ source, weights, target }: Roles, g: ConvolutionGeometry, run: number): Correlation {
  const [channels, outChannels, taps] = [g.inChannels / g.groups, g.outChannels / g.groups, g.kernelHeight * g.kernelWidth];
  return {
    plan: forwardPlan(g, run),
    source,
    weights,
    target,
    batch: g.batch,
    groups: g.groups,
    channels,
    outChannels,
    targetHeight: g.outHeight,
    targetWidth: g.outWidth,
    kernelWidth: g.kernelWidth,
    strideOut: channels * taps,
    strideIn: taps,
    groupStride: outChannels * channels * taps,
    shared: 2 * convolutionMultiplyAdds(g) > sharedWork,
  };
}

/** The correlation that takes g to x: input and output channels exchange their roles. */
export function inputGradientCorrelation({ source, weights, target }: Roles, g: ConvolutionGeometry, run: number): Correlation {
  const [channels, outChannels, taps] = [g.outChannels / g.groups, g.inChannels / g.groups, g.kernelHeight * g.kernelWidth];
  return {
    plan: inputGradientPlan(g, run),
    source,
    weights,
    target,
    batch: g.batch,
    groups: g.groups,
    channels,
    outChannels,
    targetHeight: g.height,
    targetWidth: g.width,
    kernelWidth: g.kernelWidth,
    strideOut: taps,
    strideIn: outChannels * taps,
    groupStride: outChannels * channels * taps,
    shared: 2 * convolutionMultiplyAdds(g) > sharedWork,
  };
}

export function convolutionKernels(machine: Machine): Pick<Kernels, Convolution> {
  const { memory, team } = machine;
  const run = machine.kernels.convRun.value;
  /** A result of `length` elements, each of them the sum of `terms` terms. It is `finished` where there is nothing to add up. */
  const result = (length: number, terms: number): { target: ArenaStorage; finished: boolean } => {
    const target = memory.allocate("float32", length);
    if (terms === 0) target.view.fill(0);
    return { target, finished: length === 0 || terms === 0 };
  };

  const tiles = { gemmRows: machine.kernels.gemmRows.value, gemmColumns: machine.kernels.gemmColumns.value, convRun: run };
  const isChosen = (role: ConvolutionRole, g: ConvolutionGeometry): boolean => choosesWinograd(role, g, tiles);
  /**
   * Winograd's algorithm mixes the pixels of a window, so a NaN or an infinity could reach results that do not depend on it. Where a result
   * is NaN or infinite, the direct algorithm computes everything again.
   */
  const correlate = (role: ConvolutionRole, correlation: Correlation, g: ConvolutionGeometry): void => {
    if (!(isChosen(role, g) && runWinograd(machine, correlation))) runCorrelation(machine, correlation);
  };

  return {
    conv2d(x, w, geometry) {
      team.check();
      const [source, weights] = [memory.pointerOf(x), memory.pointerOf(w)];
      const g = inWholeRows(geometry, run);
      const { target, finished } = result(g.batch * g.outChannels * g.outHeight * g.outWidth, g.inChannels);
      if (finished) return target;
      if (isDepthwise(g)) runDepthwise(machine, "forward", source, weights, target, g);
      else correlate("forward", forwardCorrelation({ source, weights, target }, g, run), g);
      return target;
    },

    conv2dInputGradient(gradient, w, geometry) {
      team.check();
      const [source, weights] = [memory.pointerOf(gradient), memory.pointerOf(w)];
      const g = inWholeRows(geometry, run);
      const { target, finished } = result(g.batch * g.inChannels * g.height * g.width, g.outChannels * g.outHeight * g.outWidth);
      if (finished) return target;
      if (isDepthwise(g)) runDepthwise(machine, "inputGradient", source, weights, target, g);
      else correlate("inputGradient", inputGradientCorrelation({ source, weights, target }, g, run), g);
      return target;
    },

    conv2dWeightGradient(x, gradient, geometry) {
      team.check();
      const [source, g] = [memory.pointerOf(x), memory.pointerOf(gradient)];
      const { outChannels, inChannels, groups, kernelHeight, kernelWidth, batch, outHeight, outWidth } = geometry;
      const length = (outChannels * inChannels * kernelHeight * kernelWidth) / groups;
      const { target, finished } = result(length, batch * outHeight * outWidth);
      if (finished) return target;
      if (isDepthwise(geometry)) runDepthwise(machine, "weightGradient", source, g, target, geometry);
      else if (!(isChosen("weightGradient", geometry) && runWinogradWeightGradient(machine, source, g, target, geometry)))
        runWeightGradient(machine, source, g, target, flattened(geometry));
      return target;
    },
  };
}
