/** `compress` replaces the convolutions of a trained dense network by their nearest structured ones. */

import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { frobenius } from "../linalg/matrix.ts";
import { tensorArray } from "../linalg/tensor-array.ts";
import type { Build } from "../nn/init.ts";
import type { Layer, Module } from "../nn/module.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { convolutionFactory } from "../structured/create-convolution.ts";
import { DenseConvolution } from "../structured/dense.ts";
import type { FamilyOptions } from "../structured/family.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import { approximateConvolution, refusal } from "./approximate-convolution.ts";

/** A network made with a convolution factory. It can be made again with another factory. */
export interface ConvolutionNetwork<N extends Module> extends Module {
  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): N;
}

export interface CompressedLayer {
  /** The name of the convolution in the network, such as `block1.0.layer.0.conv1`. */
  readonly name: string;
  readonly parametersBefore: number;
  readonly parametersAfter: number;
  /** ‖K − K̃‖/‖K‖ for the kernel K and its approximation K̃. Its square is the sum of the squares of the two errors below. */
  readonly relativeError: number;
  readonly separableError: number;
  readonly structuredError: number;
}

export interface Compression<N extends Module> {
  readonly network: N;
  readonly layers: readonly CompressedLayer[];
  /** The parameters of the whole network, replaced or not. */
  readonly parametersBefore: number;
  readonly parametersAfter: number;
  /** √(Σ‖K − K̃‖²/Σ‖K‖²) over the replaced convolutions. */
  readonly relativeError: number;
}

export interface CompressOptions extends FamilyOptions {
  /**
   * The random stream and the dtype of the new network. The stream decides, for example, which weights a hash shares. Default: seed 0, the
   * old dtype.
   */
  readonly build?: Build;
  /** Called after each layer. Default: nothing is called. */
  readonly onLayer?: (layer: CompressedLayer, done: number, total: number) => void | Promise<void>;
}

/** The names of `CompressOptions`. */
export const compressOptions: OptionNames = optionNames<CompressOptions>({
  bias: true,
  mode: true,
  init: true,
  lastWeightUnused: true,
  build: true,
  onLayer: true,
});

/** The name of `part` within `whole`. It is the name that the part's first parameter has in `whole`, less the name that it has in `part`. */
function nameWithin(whole: Module, part: Module): string {
  const [key, entry] = [...part.state()][0]!;
  const name = [...whole.state()].find(([, other]) => other === entry)![0];
  return name.slice(0, -(key.length + 1));
}

/** The network's dense convolutions by name. @throws ConfigError if there are none. */
function denseConvolutions(network: Module): Map<string, DenseConvolution> {
  const found = network.modules().filter((module): module is DenseConvolution => module instanceof DenseConvolution);
  if (found.length === 0)
    throw new ConfigError(
      "compress: the network must be made of dense convolutions (Conv), got none; compress the dense network it came from",
    );
  return new Map(found.map((layer) => [nameWithin(network, layer), layer]));
}

/**
 * A new network with convolutions of `spec`, each the nearest to the dense one that it replaces. Everything else (stem, shortcuts, norms
 * with their running statistics, classifier) is copied bit for bit. `dense` does not change.
 * @throws ConfigError, before any work is done, for a network that is not dense and for a family without a best approximation.
 */
export async function compress<N extends Module>(
  dense: ConvolutionNetwork<N>,
  spec: ConvolutionSpec,
  allOptions: CompressOptions = {},
): Promise<Compression<N>> {
  checkOptions("compress", allOptions, compressOptions);
  const { build, onLayer, ...options } = allOptions;
  const before = denseConvolutions(dense);
  const dtype = [...before.values()][0]!.conv.weight.dtype === "float64" ? "float64" : "float32";
  const made: Layer[] = [];
  // Every number is about to be overwritten. This is the one initialisation that decomposes no matrix.
  const factory = convolutionFactory(spec, { init: "variance-preserving", ...options });
  const network = dense.withConvolution(
    (site, into) => {
      const layer = factory(site, into);
      made.push(layer);
      return layer;
    },
    build ?? { random: new Random(0), dtype },
  );
  try {
    return { network, ...(await fill(network, made)) };
  } catch (error) {
    network.dispose();
    throw error;
  }

  async function fill(whole: Module, replaced: readonly Layer[]): Promise<Omit<Compression<N>, "network">> {
    const refused = replaced.map((layer) => refusal(layer, spec)).find((reason) => reason !== undefined);
    if (refused !== undefined) throw new ConfigError(`compress: ${refused}`);
    const after = new Map(replaced.map((layer) => [nameWithin(whole, layer), layer]));
    await copyRest(dense, whole, [...after.keys()]);
    const layers: CompressedLayer[] = [];
    let [lost, total] = [0, 0];
    for (const [name, layer] of after) {
      const { conv } = before.get(name)!;
      const kernel = tensorArray(conv.weight.shape, Float64Array.from(await conv.weight.read()));
      const error = await approximateConvolution(layer, kernel, spec, await conv.bias?.read());
      const size = frobenius(kernel.data);
      lost += (error.relative * size) ** 2;
      total += size ** 2;
      layers.push({
        name,
        parametersBefore: conv.parameterCount(),
        parametersAfter: layer.parameterCount(),
        relativeError: error.relative,
        separableError: error.separable,
        structuredError: error.structured,
      });
      await onLayer?.(layers.at(-1)!, layers.length, after.size);
    }
    return {
      layers,
      parametersBefore: dense.parameterCount(),
      parametersAfter: whole.parameterCount(),
      relativeError: total === 0 ? 0 : Math.sqrt(lost / total),
    };
  }
}

/** Copies every entry that belongs to no replaced layer, by name. */
async function copyRest(from: Module, to: Module, replaced: readonly string[]): Promise<void> {
  const source = from.state();
  for (const [name, entry] of to.state())
    if (!replaced.some((layer) => name.startsWith(`${layer}.`))) entry.write(await source.get(name)!.read());
}
