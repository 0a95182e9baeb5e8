/**
 * Learning rates by structure (Qiu et al. 2024, arXiv 2406.06248; Potapczynski et al. 2024, arXiv 2410.02117): a factor of a structured map
 * gets the rate with which the map's output moves as that of a dense matrix would.
 */

import type { Module } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import { StructuredConvolution } from "../structured/structured-convolution.ts";
import { StructuredLinear } from "../structured/structured-linear.ts";
import type { ParameterGroup } from "./optimizer.ts";

/** The optimisers that have a rule: those whose step is the gradient, those that divide it by its own size, and those with orthogonal steps. */
export type RateRule = "sgd" | "adam" | "muon";

/** The maps of a network: those that are layers of their own, and those inside convolutions. */
function mapsOf(network: Module): Set<StructuredLinear> {
  const maps = new Set<StructuredLinear>();
  for (const module of [network, ...network.modules()]) {
    if (module instanceof StructuredLinear) maps.add(module);
    if (module instanceof StructuredConvolution) for (const map of module.maps()) maps.add(map);
  }
  return maps;
}

/**
 * The factors of the learning rate for the factors of all structured maps. For a map from n to m numbers with k factors, of which factor i
 * sums over dᵢⁿ numbers and makes dᵢᵒᵘᵗ:
 *
 *     sgd: [(dᵢᵒᵘᵗ/dᵢⁿ)/(m/n)]/k          adam: (n/dᵢⁿ)/k          muon: 1/k
 *
 * A step of Muon fits the size of its matrix already, so the factors only share the step of their map (Large et al. 2024, arXiv 2405.14813).
 * A parameter that acts as several factors gets the geometric mean of theirs. Other parameters have the factor 1 and are left out, as are
 * those of dense and of hashed maps.
 */
export function structuredRates(network: Module, rule: RateRule): Map<Parameter, number> {
  const rates = new Map<Parameter, number>();
  for (const map of mapsOf(network)) {
    const sizes = map.factorSizes();
    const factors = sizes.reduce((sum, { count = 1 }) => sum + count, 0);
    const logs = new Map<Parameter, number[]>();
    for (const { parameter, inputs, outputs } of sizes) {
      const { inFeatures, outFeatures } = map;
      const rate = { sgd: outputs / inputs / (outFeatures / inFeatures), adam: inFeatures / inputs, muon: 1 }[rule];
      logs.set(parameter, [...(logs.get(parameter) ?? []), Math.log(rate / factors)]);
    }
    for (const [parameter, each] of logs) rates.set(parameter, Math.exp(each.reduce((sum, log) => sum + log, 0) / each.length));
  }
  return rates;
}

/**
 * The groups with the rates of their parameters multiplied. Parameters with another factor move to a group of their own, which stands after
 * the group that they leave. Weight decay is divided by the factor, so that rate times decay stays.
 */
export function withRates(groups: readonly ParameterGroup[], rates: ReadonlyMap<Parameter, number>): ParameterGroup[] {
  return groups.flatMap(({ parameters, weightDecay = 0, rateFactor = 1 }) => {
    const byRate = new Map<number, Map<string, Parameter>>();
    for (const [name, parameter] of parameters) {
      const rate = rates.get(parameter) ?? 1;
      byRate.set(rate, (byRate.get(rate) ?? new Map<string, Parameter>()).set(name, parameter));
    }
    return [...byRate].map(([rate, own]) => ({ parameters: own, weightDecay: weightDecay / rate, rateFactor: rateFactor * rate }));
  });
}
