/** Exchanges the convolutions of a trained network of any family for the nearest ones of another family. */

import { Random } from "../core/random.ts";
import { type TensorArray, tensorArray } from "../linalg/tensor-array.ts";
import type { Build } from "../nn/init.ts";
import type { Module } from "../nn/module.ts";
import { Conv, DenseConvolution } from "../structured/dense.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import { readValues, StructuredConvolution } from "../structured/structured-convolution.ts";
import { type Compression, type CompressOptions, type ConvolutionNetwork, compress } from "./compress.ts";

/** The convolutions of a network that a factory has made. */
const convolutionsOf = (network: Module): StructuredConvolution[] =>
  network.modules().filter((module): module is StructuredConvolution => module instanceof StructuredConvolution);

/**
 * The dense network that computes what `network` computes without the biases of its convolutions: each convolution is K:[O,I,k,k] from its
 * formula, and the rest is copied bit for bit.
 */
async function denseNetwork<N extends Module>(network: ConvolutionNetwork<N>, build: Build): Promise<ConvolutionNetwork<N> & N> {
  const dense = network.withConvolution(Conv, build) as ConvolutionNetwork<N> & N;
  const [from, to] = [convolutionsOf(network), convolutionsOf(dense)];
  for (const [i, convolution] of from.entries()) {
    const into = to[i] as DenseConvolution;
    into.conv.weight.write((await kernelOf(convolution)).data);
  }
  const rest = (whole: Module, replaced: readonly Module[]) => {
    const entries = new Set(replaced.flatMap((layer) => [...layer.state().values()]));
    return [...whole.state().values()].filter((entry) => !entries.has(entry));
  };
  const copies = rest(dense, to);
  for (const [i, entry] of rest(network, from).entries()) copies[i]!.write(await entry.read());
  return dense;
}

/** K:[O,I,k,k] of a convolution. */
async function kernelOf(convolution: StructuredConvolution): Promise<TensorArray> {
  let shape: readonly number[] = [];
  const data = await readValues(() => {
    const kernel = convolution.toDenseKernel();
    shape = kernel.shape;
    return kernel;
  });
  return tensorArray(shape, data);
}

/**
 * A new network with convolutions of `spec`, each the nearest to the one that it replaces, whatever its family. The error is that of the
 * kernels, and 0 for `Conv`. The convolutions of a structured network lose their biases, such as those of `Hashed`: a dense convolution has
 * none, and the norm after it learns the shift. `network` does not change.
 * @throws ConfigError for a family without a best approximation, such as a hashed one.
 */
export async function substitute<N extends Module>(
  network: ConvolutionNetwork<N>,
  spec: ConvolutionSpec,
  options: CompressOptions = {},
): Promise<Compression<N>> {
  const build = options.build ?? { random: new Random(0) };
  const isDense = convolutionsOf(network).every((convolution) => convolution instanceof DenseConvolution);
  if (isDense) return compress(network, spec, { ...options, build });
  const dense = await denseNetwork(network, build);
  try {
    const compression = await compress(dense, spec, { ...options, build });
    return { ...compression, parametersBefore: network.parameterCount() };
  } finally {
    dense.dispose();
  }
}
