/** The cases of `blocks/index.json`: single layers with their parameters, their value, the gradients of Σ y², and their dense matrices. */

import { Random } from "../core/random.ts";
import { sameShape } from "../core/shape.ts";
import { gradients } from "../grad/gradients.ts";
import type { Layer } from "../nn/module.ts";
import { tensor, zeros } from "../ops/creation.ts";
import { multiply } from "../ops/elementwise.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import type { ConvolutionSite } from "../structured/convolution-factory.ts";
import { parseConvolution } from "../structured/convolution-text.ts";
import { convolutionFactory } from "../structured/create-convolution.ts";
import { HashedConvolution } from "../structured/hashed-convolution.ts";
import { SeparableConvolution } from "../structured/separable.ts";
import { ShuffleConvolution } from "../structured/shuffle-linear.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Case, type Comparison, evaluated, isComputedHere, type Precision, precisions, suffixes, verdict } from "./comparison.ts";
import { expectError } from "./counts.ts";
import { type Fields, FixtureError, type FixtureFolder, type FixtureTensors } from "./fixture-folder.ts";

export const blockCases = (index: Fields, folder: FixtureFolder): Case[] => [
  ...index.objects("files").map((entry) => {
    const [site, file] = [siteOf(entry), `blocks/${entry.text("file")}`];
    return {
      name: nameOf(entry, site),
      run: async () => {
        const golden = await folder.tensors(file);
        return verdict((comparison) => compare(entry.text("layer"), site, golden, comparison));
      },
    };
  }),
  ...index.objects("errors").map((entry) => {
    const [site, layer] = [siteOf(entry), entry.text("layer")];
    const attempt = (): void => {
      const block = build(parseLayer(layer), site, "float32");
      block.forward(zeros([1, site.inChannels, 8, 8]), { training: true });
    };
    return { name: nameOf(entry, site), run: () => verdict((comparison) => expectError(attempt, bareName(layer), comparison)) };
  }),
];

function siteOf(entry: Fields): ConvolutionSite {
  const size = (name: string, usual: number): number => (entry.has(name) ? entry.number(name) : usual);
  const kernel = entry.number("kernel_size");
  return {
    inChannels: entry.number("in_channels"),
    outChannels: entry.number("out_channels"),
    kernel,
    stride: size("stride", 1),
    padding: size("padding", Math.floor(kernel / 2)),
    dilation: size("dilation", 1),
    groups: size("groups", 1),
    bias: entry.has("bias_arg") && entry.flag("bias_arg"),
  };
}

function nameOf(entry: Fields, { inChannels, outChannels, kernel, stride, padding, dilation, bias }: ConvolutionSite): string {
  const options = [`${kernel}×${kernel}`, `stride ${stride}`, `padding ${padding}`, `dilation ${dilation}`, ...(bias ? ["bias"] : [])];
  return `block ${entry.text("layer")}, ${inChannels} → ${outChannels}, ${options.join(", ")}`;
}

/** The spec in a name such as `ACDC_3wide`, which means ACDC_3 with parameters far from their initial values. */
function bareName(layer: string): string {
  let end = layer.length;
  while (/^[a-z]$/i.test(layer.charAt(end - 1))) end--;
  const underscore = layer.lastIndexOf("_", end - 1);
  return underscore >= 0 && /^[\d.]+$/.test(layer.slice(underscore + 1, end)) ? layer.slice(0, end) : layer;
}

const parseLayer = (layer: string): ConvolutionSpec => parseConvolution(bareName(layer));

/**
 * The spec of a layer. A `HashedSeparable` without a fraction has a budget of weights that its name does not say. The window and the map
 * share the budget in proportion to their sizes, and both shares are rounded down. The lengths of the two shared weights therefore give the
 * budget up to one.
 */
function specOf(layer: string, { inChannels, outChannels, kernel }: ConvolutionSite, golden: FixtureTensors): ConvolutionSpec {
  const spec = parseLayer(layer);
  if (spec.kind !== "HashedSeparable" || layer.includes("_")) return spec;
  const length = (part: string): number => golden.find(`param/${part}.hashed_weight`)?.data.length ?? 0;
  const [window, map] = [inChannels * kernel ** 2, inChannels * outChannels];
  const shared = length("grouped") + length("hashed");
  const share = (budget: number, part: number): number => Math.floor((budget * part) / (window + map));
  const exact = kernel === 1 || (share(shared, window) === length("grouped") && share(shared, map) === length("hashed"));
  // Half a weight is added so that rounding the fraction cannot lose a weight.
  return { kind: "HashedSeparable", fraction: (shared + (exact ? 0.5 : 1.5)) / (window + map) };
}

/** Makes the layer. The fixture overwrites every number, so the initialisation is the one that decomposes no matrix. */
const build = (spec: ConvolutionSpec, site: ConvolutionSite, dtype: Precision): Layer =>
  convolutionFactory(spec, { init: "variance-preserving" })(site, { random: new Random(0), dtype });

async function compare(layer: string, site: ConvolutionSite, golden: FixtureTensors, comparison: Comparison): Promise<string | undefined> {
  const spec = specOf(layer, site, golden);
  const held = precisions.filter((precision) => golden.find(`y${suffixes[precision]}`) !== undefined);
  if (held.length === 0) throw new FixtureError(`verify: a block must hold y or y64, got neither for ${layer}`);
  const computed = held.filter(isComputedHere);
  for (const precision of computed) await compareIn(precision, build(spec, site, precision), golden, comparison);
  return computed.length === held.length ? undefined : "float64 not compared: this backend has float32 only";
}

async function compareIn(dtype: Precision, block: Layer, golden: FixtureTensors, comparison: Comparison): Promise<void> {
  const suffix = suffixes[dtype];
  try {
    block.loadState(new Map([...golden.section("param"), ...golden.section("buffer")]));
    const given = golden.get("x");
    const parameters = block.parameters();
    const got = await evaluated(() => {
      const x = tensor(given.data, { shape: given.shape, dtype });
      const y = block.forward(x, { training: true });
      const [gx, ...rest] = gradients(sum(multiply(y, y)), [x, ...[...parameters.values()].map(({ value }) => value)]);
      const entries: [string, Tensor][] = [...parameters.keys()].map((name, i) => [`grad${suffix}/${name}`, rest[i]!]);
      return new Map([[`y${suffix}`, y], [`grad_x${suffix}`, gx!], ...entries, ...denseForms(block, suffix)]);
    });
    const expected = [...golden.section(`grad${suffix}`).keys()];
    if (expected.length > 0) comparison.equal("names of the gradients", [...parameters.keys()].sort(), expected.sort());
    for (const [name, values] of got) {
      const wanted = golden.find(name);
      // The kernel matrix of ACDC belongs to its square core. Where the sizes differ, effective_pointwise is the matrix of the layer.
      if (wanted === undefined || (name.startsWith("kernel_matrix") && !sameShape(wanted.shape, values.shape))) continue;
      comparison.near(dtype, name, values, wanted);
    }
  } finally {
    block.dispose();
  }
}

/** The dense matrices of the layer, under the names of the fixtures. */
function denseForms(block: Layer, suffix: string): [string, Tensor][] {
  if (block instanceof HashedConvolution) return [[`hashed_W${suffix}`, block.toDenseKernel()]];
  const isMap = block instanceof SeparableConvolution || (block instanceof ShuffleConvolution && block.map.kernel === 1);
  if (!isMap) return [];
  const dense = block.map.toDense();
  return [
    [`effective_pointwise${suffix}`, dense],
    [`kernel_matrix${suffix}`, dense],
  ];
}
