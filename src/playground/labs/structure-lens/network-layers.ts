/** The layers of a trained network that the lens can look at. */

import { sizeOf } from "../../../core/shape.ts";
import { type TensorArray, tensorArray } from "../../../linalg/tensor-array.ts";
import { Conv2d } from "../../../nn/conv2d.ts";
import { Linear } from "../../../nn/linear.ts";
import type { Module } from "../../../nn/module.ts";
import { readValues, StructuredConvolution } from "../../../structured/structured-convolution.ts";
import { StructuredLinear } from "../../../structured/structured-linear.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { decodeModel } from "../../../train/model-file.ts";

/** The most rows and columns of a layer. The singular values of a matrix of this size take about a second. */
const mostFeatures = 256;

/** Forms the matrix or the kernel of a layer; undefined for a module that has none of its own, and for one with channels in groups. */
function weightOf(module: Module): (() => Tensor) | undefined {
  if (module.describe().options?.groups !== undefined) return undefined;
  if (module instanceof StructuredConvolution) return () => module.toDenseKernel();
  if (module instanceof StructuredLinear) return () => module.toDense();
  if (module instanceof Conv2d) return () => module.kernel();
  if (module instanceof Linear) return () => module.weight.value;
  return undefined;
}

/** A 1×1 kernel is a matrix. */
const withoutPixels = ([out, inputs, ...window]: readonly number[]): readonly number[] =>
  window.every((size) => size === 1) ? [out!, inputs!] : [out!, inputs!, ...window];

/**
 * The layers of a network's file by name: matrices [out,in] and kernels [O,I,k,k]. Layers with groups and layers of more than 256 features
 * are left out.
 * @throws DataError for a file that does not say how to build its network.
 */
export async function layersOf(bytes: Uint8Array, source: string): Promise<Map<string, TensorArray>> {
  const { network } = decodeModel(bytes, source);
  const layers = new Map<string, TensorArray>();
  /** The parts of structured layers, which are no layers of the network. */
  const inside = new Set<Module>();
  for (const [name, module] of network.namedModules()) {
    const weight = inside.has(module) ? undefined : weightOf(module);
    if (weight === undefined) continue;
    for (const part of module.modules()) inside.add(part);
    let shape: readonly number[] = [];
    const data = await readValues(() => {
      const value = weight();
      shape = value.shape;
      return value;
    });
    if (shape.slice(0, 2).every((size) => size <= mostFeatures) && sizeOf(shape) > 1)
      layers.set(name, tensorArray(withoutPixels(shape), data));
  }
  network.dispose();
  return layers;
}
