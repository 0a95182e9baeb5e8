/** A look at each layer as one forward pass goes through it. */

import type { Context } from "../core/context.ts";
import type { Layer } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Called in the place of the layer's `forward`. It calls `forward` once and returns its result. */
export type Watcher = (name: string, layer: Layer, x: Tensor, forward: () => Tensor) => Tensor;

/** Runs `body`. Whenever it calls `forward` of one of the layers, `watch` is called instead. */
export function watchLayers<T>(layers: Iterable<readonly [string, Layer]>, watch: Watcher, body: () => T): T {
  const watched: Layer[] = [];
  try {
    for (const [name, layer] of layers) {
      const own = layer.forward.bind(layer);
      watched.push(layer);
      layer.forward = (x: Tensor, context: Context) => watch(name, layer, x, () => own(x, context));
    }
    return body();
  } finally {
    // The methods of the classes come to light again.
    for (const layer of watched) delete (layer as Partial<Layer>).forward;
  }
}
