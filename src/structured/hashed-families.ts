/**
 * The five kinds of hashed convolutions of the paper's code: which part of the convolution is hashed, and how many shared values it has.
 */

import type { Build } from "../nn/init.ts";
import type { ConvolutionSite } from "./convolution-factory.ts";
import { defineFamily, type FamilyOptions, positive, searchScale } from "./family.ts";
import { HashedLinear } from "./hashed.ts";
import { HashedConvolution } from "./hashed-convolution.ts";
import { SeparableConvolution } from "./separable.ts";
import type { StructuredLinear } from "./structured-linear.ts";

const weightsOf = ({ inChannels, outChannels, kernel }: ConvolutionSite): number => outChannels * inChannels * kernel ** 2;

const pointwiseSite = (inChannels: number, outChannels: number): ConvolutionSite => ({ inChannels, outChannels, kernel: 1 });

/** The shared values of the 1×1 map that, with its window, has a tenth of the k×k convolution's weights. */
const decimated = (site: ConvolutionSite): number => Math.floor(weightsOf(site) / 10) - site.inChannels * site.kernel ** 2;

/** The shared values of the window and of the map, in proportion to their sizes. Both numbers are rounded down. */
function hashedShares({ inChannels, outChannels, kernel }: ConvolutionSite, fraction: number): { window: number; map: number } {
  const [window, map] = [inChannels * kernel ** 2, inChannels * outChannels];
  const total = Math.floor(fraction * (window + map));
  if (kernel === 1) return { window: 0, map: total };
  return { window: Math.floor((total * window) / (window + map)), map: Math.floor((total * map) / (window + map)) };
}

/** A convolution that is hashed as a whole. As in the paper's code it has a bias, and the bias has the full weight decay. */
const hashedConvolution = (
  site: ConvolutionSite,
  budget: number,
  build: Build,
  { lastWeightUnused = false }: FamilyOptions,
): HashedConvolution => new HashedConvolution(site, budget, build, { bias: true, biasDecay: "full", lastWeightUnused });

/** The map of a convolution. As in the paper's code it has a bias, and the bias decays as the shared values do. */
const hashedMap = (
  site: ConvolutionSite,
  budget: number,
  build: Build,
  { init = "reference", lastWeightUnused = false }: FamilyOptions,
): StructuredLinear => new HashedLinear(site.inChannels, site.outChannels, { budget }, build, { init, lastWeightUnused, bias: true });

/** A map on its own has a bias only if the options say so. */
const hashedLinear = (inFeatures: number, outFeatures: number, budget: number, build: Build, options: FamilyOptions): StructuredLinear =>
  new HashedLinear(inFeatures, outFeatures, { budget }, build, { bias: false, ...options });

export const hashedFamily = defineFamily({
  kind: "Hashed",
  title: "HashedNet",
  parameters: [positive("fraction")],
  budget: searchScale("fraction", 1),
  examples: { inspect: { kind: "Hashed", fraction: 0.25 } },
  linear: ({ fraction }, inFeatures, outFeatures, build, options) =>
    hashedLinear(inFeatures, outFeatures, Math.floor(inFeatures * outFeatures * fraction), build, options),
  convolution: ({ fraction }, site, build, options) => hashedConvolution(site, Math.floor(weightsOf(site) * fraction), build, options),
});

export const hashedDecimateFamily = defineFamily({
  kind: "HashedDecimate",
  title: "HashedNet (a tenth)",
  parameters: [],
  examples: { inspect: { kind: "HashedDecimate" } },
  linear: (_, inFeatures, outFeatures, build, options) =>
    hashedLinear(inFeatures, outFeatures, Math.floor((inFeatures * outFeatures) / 10), build, options),
  convolution: (_, site, build, options) => hashedConvolution(site, Math.floor(weightsOf(site) / 10), build, options),
});

export const sepHashedFamily = defineFamily({
  kind: "SepHashed",
  title: "HashedNet, separable",
  parameters: [positive("fraction")],
  budget: searchScale("fraction", 1),
  examples: { inspect: { kind: "SepHashed", fraction: 0.25 }, bench: [{ kind: "SepHashed", fraction: 0.2 }] },
  linear: ({ fraction }, inFeatures, outFeatures, build, options) =>
    hashedLinear(inFeatures, outFeatures, Math.floor(inFeatures * outFeatures * fraction), build, options),
  convolution: ({ fraction }, site, build, options) =>
    new SeparableConvolution(site, build, () => hashedMap(site, Math.floor(site.inChannels * site.outChannels * fraction), build, options)),
});

export const sepHashedDecimateFamily = defineFamily({
  kind: "SepHashedDecimate",
  title: "HashedNet, separable (a tenth)",
  parameters: [],
  examples: { inspect: { kind: "SepHashedDecimate" } },
  linear: (_, inFeatures, outFeatures, build, options) =>
    hashedLinear(inFeatures, outFeatures, decimated(pointwiseSite(inFeatures, outFeatures)), build, options),
  convolution: (_, site, build, options) => new SeparableConvolution(site, build, () => hashedMap(site, decimated(site), build, options)),
});

export const hashedSeparableFamily = defineFamily({
  kind: "HashedSeparable",
  title: "HashedNet, window and map",
  parameters: [positive("fraction", { default: 0.2, writesDefault: true })],
  budget: searchScale("fraction", 1),
  examples: { inspect: { kind: "HashedSeparable", fraction: 0.25 } },
  linear: ({ fraction }, inFeatures, outFeatures, build, options) =>
    hashedLinear(inFeatures, outFeatures, hashedShares(pointwiseSite(inFeatures, outFeatures), fraction).map, build, options),
  convolution: ({ fraction }, site, build, options) => {
    const shares = hashedShares(site, fraction);
    const { lastWeightUnused = false } = options;
    return new SeparableConvolution(site, build, () => hashedMap(site, shares.map, build, options), {
      window: (window) =>
        new HashedConvolution({ ...window, outChannels: window.inChannels, groups: window.inChannels }, shares.window, build, {
          bias: true,
          decay: "full",
          lastWeightUnused,
        }),
    });
  },
});
