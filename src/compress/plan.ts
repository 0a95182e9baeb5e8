/** The ranks of a compressed network, layer by layer: from the largest error of a layer, or from the parameters of the whole network. */

import { ConfigError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { tensorArray } from "../linalg/tensor-array.ts";
import type { Layer, Module } from "../nn/module.ts";
import type { ConvolutionSite } from "../structured/convolution-factory.ts";
import { familyNamed } from "../structured/convolution-text.ts";
import { Conv } from "../structured/dense.ts";
import { layersOf } from "../structured/layer-specs.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import { type ConvolutionNetwork, denseConvolutions } from "./compress.ts";
import { type LayerCandidate, LayerSearch, type PlannedConvolution } from "./layer-curve.ts";

/** What the plan must keep to: the relative error of each layer, or the parameters of the whole network. */
export type CompressionGoal =
  | {
      /** The largest relative error ‖K − K̃‖/‖K‖ of a layer, in (0, 1). */
      readonly error: number;
    }
  | {
      /** The largest number of parameters of the network. */
      readonly parameters: number;
    };

export interface PlanOptions {
  /** The largest number of windows of a layer. A k×k layer has at most k². Default: 9. */
  readonly windows?: number;
  /** The seed of the random choices of a family: which weights share a hash. Default: 0. */
  readonly seed?: number;
  /** Called after each layer. Default: nothing is called. */
  readonly onLayer?: (name: string, done: number, total: number) => void | Promise<void>;
}

/** The names of `PlanOptions`. */
export const planOptions: OptionNames = optionNames<PlanOptions>({ windows: true, seed: true, onLayer: true });

export interface PlannedLayer {
  readonly name: string;
  /** The parameters of the dense convolution. */
  readonly parameters: number;
  readonly chosen: LayerCandidate;
  /** What else was tried, from the fewest parameters to the dense convolution. */
  readonly candidates: readonly LayerCandidate[];
}

export interface CompressionPlan {
  /** One spec for each convolution, which `compress` takes. */
  readonly spec: ConvolutionSpec;
  /** In the order of the network's modules. */
  readonly layers: readonly PlannedLayer[];
  /** The parameters of the whole network as planned. */
  readonly parameters: number;
}

/**
 * Chooses for each dense convolution of a network the rank, and the number of windows, of one family. A layer may stay dense.
 *
 * With `error`, each layer takes the fewest parameters whose relative error is within it. With `parameters`, the layers share a budget: it
 * goes, step by step, to the layer where a parameter lowers the sum of the squared relative errors most. The errors are relative because
 * batch norms undo the scale of a kernel. Errors are those of fits that were made, whatever the family. A family whose layers depend on
 * chance, such as a hashed one, has other errors when the network is made.
 * @param family The kind of a built-in family, such as `Generic`. Its searched hyper-parameter is chosen, and the others have their
 * defaults.
 * @throws ConfigError for a network that is not dense, a family that is not built in or has no best approximation, a goal out of range, and
 * a budget below the smallest network.
 */
export async function planCompression<N extends Module>(
  dense: ConvolutionNetwork<N>,
  family: string,
  goal: CompressionGoal,
  options: PlanOptions = {},
): Promise<CompressionPlan> {
  checkOptions("planCompression", options, planOptions);
  const { windows = 9, seed = 0, onLayer } = options;
  checkNumbers("planCompression", { windows }, { integer: true, least: 1 });
  if ("error" in goal) checkNumbers("planCompression", { error: goal.error }, { above: 0, most: 1 });
  else checkNumbers("planCompression", { parameters: goal.parameters }, { integer: true, least: 1 });
  const named = familyNamed(family);
  if (named === undefined || named.module !== undefined || family !== named.family.kind)
    throw new ConfigError(`planCompression: the family must be the kind of a built-in one, such as Generic, got ${family}`);
  const { convolutions, order } = await convolutionsOf(dense);
  const searches = convolutions.map((convolution) => new LayerSearch(convolution, named, { windows, seed }));
  const curves: LayerCandidate[][] = [];
  const chosen: LayerCandidate[] = [];
  for (const [i, search] of searches.entries()) {
    curves.push(await search.curve());
    if ("error" in goal) chosen.push(await search.within(goal.error));
    await onLayer?.(search.convolution.name, i + 1, searches.length);
  }
  const others = dense.parameterCount() - searches.reduce((sum, { parameters }) => sum + parameters, 0);
  if ("parameters" in goal) {
    const shared = shareParameters(curves, goal.parameters - others);
    if (shared === undefined) {
      const least = others + curves.reduce((sum, [smallest]) => sum + smallest!.parameters, 0);
      throw new ConfigError(
        `planCompression: parameters must be at least the ${least.toLocaleString("en-US")} of the smallest ${family} network, ` +
          `got ${goal.parameters.toLocaleString("en-US")}; choose another family or more`,
      );
    }
    chosen.push(...shared);
  }
  return {
    spec: layersOf(order.map((i) => chosen[i]!.spec)),
    layers: searches.map(({ convolution: { name }, parameters }, i) => ({
      name,
      parameters,
      chosen: chosen[i]!,
      candidates: curves[i]!,
    })),
    parameters: others + chosen.reduce((sum, { parameters }) => sum + parameters, 0),
  };
}

/**
 * The network's dense convolutions with their sites, and the order in which the network makes them: `order[k]` is the index of the one that
 * is made as number k.
 */
async function convolutionsOf<N extends Module>(
  dense: ConvolutionNetwork<N>,
): Promise<{ convolutions: PlannedConvolution[]; order: number[] }> {
  const before = denseConvolutions(dense);
  const made: { readonly site: ConvolutionSite; readonly layer: Layer }[] = [];
  const again = dense.withConvolution(
    (site, build) => {
      const layer = Conv(site, build);
      made.push({ site, layer });
      return layer;
    },
    { random: new Random(0) },
  );
  const layers = new Set<Module>(made.map(({ layer }) => layer));
  const places = again.modules().filter((module) => layers.has(module));
  const convolutions: PlannedConvolution[] = [];
  for (const [i, [name, { conv }]] of [...before].entries()) {
    const { site } = made.find(({ layer }) => layer === places[i])!;
    convolutions.push({ name, site, kernel: tensorArray(conv.kernel().shape, Float64Array.from(await conv.weight.read())) });
  }
  const order = made.map(({ layer }) => places.indexOf(layer));
  again.dispose();
  return { convolutions, order };
}

/**
 * One candidate for each curve, whose parameters add up to at most `budget`; undefined if the smallest ones have more. The budget is spent
 * on the steps along the convex hulls of (parameters, error²), in the order of error² saved for each parameter. While every step fits, no
 * other choice with as many parameters has a smaller sum of squared errors. What is left at the end is spent on any candidates that fit.
 */
export function shareParameters(curves: readonly (readonly LayerCandidate[])[], budget: number): LayerCandidate[] | undefined {
  const hulls = curves.map(convexHull);
  const at = hulls.map(() => 0);
  let left = budget - hulls.reduce((sum, [smallest]) => sum + smallest!.parameters, 0);
  if (left < 0) return undefined;
  const stepOf = (i: number): { cost: number; gain: number } | undefined => {
    const [from, to] = [hulls[i]![at[i]!]!, hulls[i]![at[i]! + 1]];
    return to && { cost: to.parameters - from.parameters, gain: from.error ** 2 - to.error ** 2 };
  };
  for (;;) {
    let best: { readonly i: number; readonly cost: number; readonly rate: number } | undefined;
    for (const i of hulls.keys()) {
      const step = stepOf(i);
      if (step === undefined || step.cost > left) continue;
      const rate = step.gain / step.cost;
      if (best === undefined || rate > best.rate) best = { i, cost: step.cost, rate };
    }
    if (best === undefined) break;
    at[best.i]!++;
    left -= best.cost;
  }
  return spendRest(
    hulls.map((hull, i) => hull[at[i]!]!),
    curves,
    left,
  );
}

/** Spends what the steps along the hulls have left: on any candidates, the one that saves most first, while one fits. */
function spendRest(chosen: LayerCandidate[], curves: readonly (readonly LayerCandidate[])[], budget: number): LayerCandidate[] {
  let left = budget;
  for (;;) {
    let best: { readonly i: number; readonly candidate: LayerCandidate; readonly gain: number } | undefined;
    for (const [i, candidates] of curves.entries())
      for (const candidate of candidates) {
        const gain = chosen[i]!.error ** 2 - candidate.error ** 2;
        if (gain > (best?.gain ?? 0) && candidate.parameters - chosen[i]!.parameters <= left) best = { i, candidate, gain };
      }
    if (best === undefined) return chosen;
    left -= best.candidate.parameters - chosen[best.i]!.parameters;
    chosen[best.i] = best.candidate;
  }
}

/** The candidates on the lower convex hull of (parameters, error²), from the fewest parameters on. Along them every step saves error. */
function convexHull(candidates: readonly LayerCandidate[]): LayerCandidate[] {
  const hull: LayerCandidate[] = [];
  const sorted = [...candidates].sort((a, b) => a.parameters - b.parameters || a.error - b.error);
  const rate = (from: LayerCandidate, to: LayerCandidate): number => (from.error ** 2 - to.error ** 2) / (to.parameters - from.parameters);
  for (const candidate of sorted) {
    if (hull.length > 0 && candidate.error >= hull.at(-1)!.error) continue;
    while (hull.length > 1 && rate(hull.at(-2)!, hull.at(-1)!) <= rate(hull.at(-1)!, candidate)) hull.pop();
    hull.push(candidate);
  }
  return hull;
}
