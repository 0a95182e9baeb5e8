/** `compress`: a trained dense network with its convolutions replaced by their nearest structured ones. */

import { ConfigError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { frobenius } from "../linalg/matrix.ts";
import { tensorArray } from "../linalg/tensor-array.ts";
import type { Build } from "../nn/init.ts";
import type { Layer, Module } from "../nn/module.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { DenseConvolution } from "../structured/dense.ts";
import { convolutionFactory, type FamilyOptions } from "../structured/families.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import { approximateConvolution, refusal } from "./approximate-convolution.ts";

/** A network made of a convolution factory: it can be made again of another. */
export interface ConvolutionNetwork<N extends Module> extends Module {
  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): N;
}

export interface CompressedLayer {
  /** Where the convolution stands, such as `block1.0.layer.0.conv1`. */
  readonly name: string;
  readonly parametersBefore: number;
  readonly parametersAfter: number;
  /** ‖K − K̃‖/‖K‖; its square is the sum of the squares of the two below. */
  readonly relativeError: number;
  readonly separableError: number;
  readonly structuredError: number;
}

export interface Compression<N extends Module> {
  readonly network: N;
  readonly layers: readonly CompressedLayer[];
  /** Of the whole network, replaced or not. */
  readonly parametersBefore: number;
  readonly parametersAfter: number;
  /** √(Σ‖K − K̃‖²/Σ‖K‖²) over the convolutions replaced. */
  readonly relativeError: number;
}

export interface CompressOptions extends FamilyOptions {
  /** What chance decides, such as which weights share a hash bucket or where CP's iterations begin: seed 0 unless given. */
  readonly build?: Build;
  /** After each layer. */
  readonly onLayer?: (layer: CompressedLayer, done: number, total: number) => void | Promise<void>;
}

/** The name of `part` within `whole`, read off the first of their shared state. */
function nameWithin(whole: Module, part: Module): string {
  const [key, entry] = [...part.state()][0]!;
  const name = [...whole.state()].find(([, other]) => other === entry)![0];
  return name.slice(0, -(key.length + 1));
}

/** The network's dense convolutions by name. @throws ConfigError when there are none. */
function denseConvolutions(network: Module): Map<string, DenseConvolution> {
  const found = network.modules().filter((module): module is DenseConvolution => module instanceof DenseConvolution);
  if (found.length === 0)
    throw new ConfigError(
      "compress: the network must be made of dense convolutions (Conv), got none; compress the dense network it came from",
    );
  return new Map(found.map((layer) => [nameWithin(network, layer), layer]));
}

/**
 * A new network of `spec`'s convolutions, each the nearest to the dense one it replaces; everything else (stem, shortcuts, norms and their running
 * statistics, classifier) is copied bit for bit. `dense` stays as it is.
 * @throws ConfigError for a network that is not dense, or a family without a best approximation; before any work is done.
 */
export async function compress<N extends Module>(
  dense: ConvolutionNetwork<N>,
  spec: ConvolutionSpec,
  { build, onLayer, ...options }: CompressOptions = {},
): Promise<Compression<N>> {
  const before = denseConvolutions(dense);
  const dtype = [...before.values()][0]!.conv.weight.dtype === "float64" ? "float64" : "float32";
  const made: Layer[] = [];
  // Of all initialisations the one that decomposes nothing: every number is about to be overwritten.
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
