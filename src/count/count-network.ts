/** The cost of a network, layer by layer. It is found by watching one forward pass on a backend that computes no numbers. */

import { countingBackend } from "../backend/counting.ts";
import type { Kernels } from "../backend/kernels.ts";
import { createShapeOnlyBackend } from "../backend/shape-only.ts";
import type { Context } from "../core/context.ts";
import { type ConvolutionGeometry, convolutionMultiplyAdds } from "../core/convolution-geometry.ts";
import { ConfigError } from "../core/errors.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { Build } from "../nn/init.ts";
import { Layer, type Module } from "../nn/module.ts";
import { zeros } from "../ops/creation.ts";
import { noGrad } from "../tape/tape.ts";
import { bytesPerElement } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { NoDraws } from "./no-draws.ts";
import { conventionFor } from "./paper-convention.ts";
import { watchLayers } from "./watch-layers.ts";
import { withBackend } from "./with-backend.ts";

/** Any network. The layers inside it are counted. */
export interface Network extends Module {
  forward(x: Tensor, context: Context): Tensor;
}

/** The cost of one sample in one layer, or in everything between the layers. */
export interface LayerCount {
  /** The name in the state dict. It is empty for what is between the layers. */
  readonly name: string;
  readonly kind: string;
  readonly params: number;
  readonly paperMultAdds: number;
  readonly multAdds: number;
  readonly activationBytes: number;
  /** The shape of the layer's output for one sample. It is empty for what is between the layers. */
  readonly output: Shape;
}

export interface NetworkCount {
  readonly params: number;
  /** The multiply-adds by the paper's convention (paper-convention.ts). */
  readonly paperMultAdds: number;
  /** The multiply-adds that are executed for a batch of one: matrix products, convolutions, cosine transforms and elementwise products. */
  readonly multAdds: number;
  /** Σ of the sizes of all layers' outputs for one sample in float32. ReLU, additions and pooling are not layers here and hold nothing. */
  readonly activationBytes: number;
  /** The number of parameters of each weight-decay group. */
  readonly groups: { readonly compressed: number; readonly full: number };
  readonly layers: readonly LayerCount[];
}

type Create<N> = (build: Build) => N;

/** The most tensors of a network that is counted. Every network here has fewer than 20,000, and more would take seconds to count. */
const mostTensors = 100_000;

/** A network has too many tensors to be counted. */
export class TooManyTensorsError extends ConfigError {}

/** Makes a module without numbers. @throws ConfigError as `create` does, and for a module of more than 100,000 tensors. */
function createShapes<M extends Module>(create: Create<M>, backend: Kernels): M {
  let tensors = 0;
  const counted = <Operands extends unknown[], Result>(kernel: (...operands: Operands) => Result): ((...operands: Operands) => Result) => {
    return (...operands) => {
      if (++tensors > mostTensors)
        throw new TooManyTensorsError(
          `count: a network may have at most ${mostTensors} tensors, got more; use fewer layers, or fewer factors in a layer`,
        );
      return kernel(...operands);
    };
  };
  return withBackend({ ...backend, full: counted(backend.full), upload: counted(backend.upload) }, () => create({ random: new NoDraws() }));
}

/**
 * The number of parameters of the module that `create` makes. No number is drawn or stored.
 * @throws ConfigError as `create` does, and for a module of more than 100,000 tensors.
 */
export const countParameters = (create: Create<Module>): number => createShapes(create, createShapeOnlyBackend()).parameterCount();

/**
 * Counts the network that `create` makes, on one sample of `image` = [C,H,W]. A layer that the convention knows is counted as a whole,
 * unless it is inside another such layer. The rest of the work, such as ReLU, stands in a last row of its own. Make structured layers with
 * `init: "variance-preserving"`: other initialisations decompose matrices, which takes the time that counting saves.
 * @throws ConfigError as `create` does, ShapeError for an image that the network cannot take.
 */
export function countNetwork(create: Create<Network>, image: Shape): NetworkCount {
  const counting = countingBackend(createShapeOnlyBackend());
  const watch = new ForwardWatch(counting.multiplyAdds);
  const backend = watch.kernels(counting.kernels);
  return withBackend(backend, () => {
    const network = createShapes(create, backend);
    const before = counting.multiplyAdds();
    const layers = watch.run(network, () => noGrad(() => network.forward(zeros([1, ...image]), { training: false })));
    const total = (of: (layer: LayerCount) => number): number => layers.reduce((sum, layer) => sum + of(layer), 0);
    const params = network.parameterCount();
    const between: LayerCount = {
      name: "",
      kind: "between layers",
      params: params - total((layer) => layer.params),
      paperMultAdds: watch.paperMultiplyAdds,
      multAdds: counting.multiplyAdds() - before - total((layer) => layer.multAdds),
      activationBytes: 0,
      output: [],
    };
    const groups = { compressed: 0, full: 0 };
    for (const { decay, value } of network.parameters().values()) groups[decay] += value.size;
    return {
      params,
      paperMultAdds: total((layer) => layer.paperMultAdds) + between.paperMultAdds,
      multAdds: counting.multiplyAdds() - before,
      activationBytes: total((layer) => layer.activationBytes),
      groups,
      layers: [...layers, between],
    };
  });
}

/** Watches the layers of a network during one forward pass, and the functions between them. */
class ForwardWatch {
  /** The paper's multiply-adds of the functions between layers. */
  paperMultiplyAdds = 0;
  readonly #executed: () => number;
  readonly #seen = new Map<Layer, LayerCount>();
  #inside = false;

  constructor(executed: () => number) {
    this.#executed = executed;
  }

  /** Functions are no layers, so their kernels are watched. A convolution outside all layers is an average pooling. */
  kernels(inner: Kernels): Kernels {
    return {
      ...inner,
      unary: (op, x) => {
        if (op === "relu") this.paperMultiplyAdds += x.length;
        return inner.unary(op, x);
      },
      maxPool2d: (x, geometry) => {
        this.paperMultiplyAdds += poolingMultiplyAdds(geometry);
        return inner.maxPool2d(x, geometry);
      },
      conv2d: (x, w, geometry) => {
        if (!this.#inside) this.paperMultiplyAdds += convolutionMultiplyAdds(geometry);
        return inner.conv2d(x, w, geometry);
      },
    };
  }

  /** Runs `forward` and gives the layers that it went through, in that order. */
  run(network: Network, forward: () => void): LayerCount[] {
    watchLayers(
      layersOf(network).filter(([, layer]) => conventionFor(layer) !== undefined),
      (name, layer, x, own) => this.#watch(name, layer, x, own),
      forward,
    );
    return [...this.#seen.values()];
  }

  #watch(name: string, layer: Layer, x: Tensor, forward: () => Tensor): Tensor {
    if (this.#inside) return forward();
    const convention = conventionFor(layer)!;
    const before = this.#executed();
    this.#inside = true;
    const y = forward();
    this.#inside = false;
    const earlier = this.#seen.get(layer);
    this.#seen.set(layer, {
      name,
      kind: convention.kind,
      params: layer.parameterCount(),
      paperMultAdds: (earlier?.paperMultAdds ?? 0) + convention.multiplyAdds(x.shape, y.shape),
      multAdds: (earlier?.multAdds ?? 0) + this.#executed() - before,
      activationBytes: (earlier?.activationBytes ?? 0) + y.size * bytesPerElement.float32,
      output: y.shape.slice(1),
    });
    return y;
  }
}

const poolingMultiplyAdds = (g: ConvolutionGeometry): number =>
  sizeOf([g.batch, g.outChannels, g.outHeight, g.outWidth, g.kernelHeight, g.kernelWidth]);

/** Every layer of `network`, each once, with its name: `block1.0.layer.0.conv1`. */
export const layersOf = (network: Module): [string, Layer][] =>
  [...network.namedModules()].filter((entry): entry is [string, Layer] => entry[1] instanceof Layer);
