/** `compress` replaces the convolutions of a trained dense network by their nearest structured ones. */

import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { frobenius } from "../linalg/matrix.ts";
import { tensorArray } from "../linalg/tensor-array.ts";
import type { Build } from "../nn/init.ts";
import type { Layer, Module } from "../nn/module.ts";
import type { State } from "../nn/state.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { convolutionFactory } from "../structured/create-convolution.ts";
import { DenseConvolution } from "../structured/dense.ts";
import type { FamilyOptions } from "../structured/family.ts";
import { factoryOf } from "../structured/origin.ts";
import { type ConvolutionSpec, familySpecOf } from "../structured/spec.ts";
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

/** The network's dense convolutions by name. @throws ConfigError if there are none. */
export function denseConvolutions(network: Module): Map<string, DenseConvolution> {
  const found = [...network.namedModules()].filter((entry): entry is [string, DenseConvolution] => entry[1] instanceof DenseConvolution);
  if (found.length === 0)
    throw new ConfigError(
      "compress: the network must be made of dense convolutions (Conv), got none; compress the dense network it came from",
    );
  return new Map(found);
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
  const recording = factoryOf({ spec: familySpecOf(spec), options }, (site, into) => {
    const layer = factory(site, into);
    made.push(layer);
    return layer;
  });
  const network = dense.withConvolution(recording, build ?? { random: new Random(0), dtype });
  try {
    return { network, ...(await fill(network, made)) };
  } catch (error) {
    network.dispose();
    throw error;
  }

  async function fill(whole: Module, replaced: readonly Layer[]): Promise<Omit<Compression<N>, "network">> {
    const refused = replaced.map((layer) => refusal(layer, spec)).find((reason) => reason !== undefined);
    if (refused !== undefined) throw new ConfigError(`compress: ${refused}`);
    // A network may name its layers after their convolutions, so that the two networks are matched by position and not by name.
    const made = new Set<Module>(replaced);
    const after = whole.modules().filter((module): module is Layer => made.has(module));
    await copyRest(restOf(dense, [...before.values()]), restOf(whole, after));
    const layers: CompressedLayer[] = [];
    let [lost, total] = [0, 0];
    for (const [i, [name, { conv }]] of [...before].entries()) {
      const layer = after[i]!;
      const kernel = tensorArray(conv.kernel().shape, Float64Array.from(await conv.weight.read()));
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
      await onLayer?.(layers.at(-1)!, layers.length, after.length);
    }
    return {
      layers,
      parametersBefore: dense.parameterCount(),
      parametersAfter: whole.parameterCount(),
      relativeError: total === 0 ? 0 : Math.sqrt(lost / total),
    };
  }
}

/** The entries of a network that belong to none of the given layers, in the order of the state. */
function restOf(network: Module, layers: readonly Module[]): State[] {
  const replaced = new Set<State>(layers.flatMap((layer) => [...layer.state().values()]));
  return [...network.state().values()].filter((entry) => !replaced.has(entry));
}

/** Copies the values of each entry to the entry at the same position. */
async function copyRest(from: readonly State[], to: readonly State[]): Promise<void> {
  for (const [i, entry] of to.entries()) entry.write(await from[i]!.read());
}
