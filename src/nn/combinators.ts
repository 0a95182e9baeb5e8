/** Layers that combine other layers and have no state of their own. */

import type { Context } from "../core/context.ts";
import { add } from "../ops/elementwise.ts";
import { applyEpilogue, type Epilogue } from "../ops/epilogue.ts";
import { concat } from "../ops/layout.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Description } from "./describe.ts";
import { activationOf, type EpilogueLayer, forwardThen, takesEpilogue } from "./epilogue.ts";
import { inLayer } from "./layer-error.ts";
import { Layer } from "./module.ts";
import { forwardAfterNorm } from "./preceding-norm.ts";

/** A layer that combines the results of other layers. */
export abstract class Combinator extends Layer {
  /** The same combination with `replace(layer)` in the place of each layer. */
  abstract map(replace: (layer: Layer) => Layer): Layer;
}

/** A layer that computes stages, one after the other. */
export interface Staged extends Layer {
  /** The output of each stage; the last is the output of the layer. */
  outputs(x: Tensor, context: Context): Tensor[];
}

/**
 * y = fₙ(… f₂(f₁(x))). Each layer has its position as its name, as in PyTorch. Without layers y = x. A norm and the ReLU after it are
 * computed in one pass, or by the layer behind them if it can do so.
 */
export class Sequential extends Combinator implements Staged, EpilogueLayer {
  [position: number]: Layer;
  readonly #layers: readonly Layer[];

  constructor(...layers: readonly Layer[]) {
    super();
    this.#layers = layers;
    Object.assign(this, layers);
  }

  override describe(): Description {
    return { kind: "Sequential" };
  }

  get layers(): readonly Layer[] {
    return this.#layers;
  }

  outputs(x: Tensor, context: Context): Tensor[] {
    let y = x;
    return this.#layers.map((layer, i) => {
      y = inLayer(String(i), layer, () => layer.forward(y, context));
      return y;
    });
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.forwardThen(x, context, {});
  }

  /** The last layer takes `then`, unless a ReLU that follows a layer is the last. */
  forwardThen(x: Tensor, context: Context, then: Epilogue): Tensor {
    const layers = this.#layers;
    let y = x;
    let last: Epilogue = then;
    for (let i = 0; i < layers.length; i++) {
      const [layer, input] = [layers[i]!, y];
      const activation = takesEpilogue(layer) ? activationOf(layers[i + 1]) : undefined;
      if (activation !== undefined) {
        const [behind, isLast] = [layers[i + 2], i + 2 === layers.length - 1];
        const afterNorm = (): Tensor | undefined => forwardAfterNorm(behind, input, context, layer, activation, isLast ? then : {});
        const after = behind === undefined ? undefined : inLayer(String(i + 2), behind, afterNorm);
        if (after !== undefined && isLast) last = {};
        y = after ?? inLayer(String(i), layer, () => forwardThen(layer, input, context, { activation }));
        i += after === undefined ? 1 : 2;
      } else {
        const isLast = i === layers.length - 1;
        y = inLayer(String(i), layer, () => (isLast ? forwardThen(layer, input, context, then) : layer.forward(input, context)));
        if (isLast) last = {};
      }
    }
    return applyEpilogue(y, last);
  }

  map(replace: (layer: Layer) => Layer): Sequential {
    return new Sequential(...this.#layers.map(replace));
  }
}

/**
 * y = f(x) + shortcut(x) (He et al. 2016, arXiv 1512.03385, eq. 1 and 2). Without a shortcut y = f(x) + x. Where f ends with a norm, the
 * norm adds the shortcut in its own pass.
 */
export class Residual extends Combinator implements EpilogueLayer {
  readonly f: Layer;
  readonly shortcut: Layer | undefined;

  constructor(f: Layer, shortcut?: Layer) {
    super();
    this.f = f;
    this.shortcut = shortcut;
  }

  override describe(): Description {
    return { kind: "Residual" };
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.forwardThen(x, context, {});
  }

  forwardThen(x: Tensor, context: Context, { addend, activation }: Epilogue): Tensor {
    const { f, shortcut: beside } = this;
    const shortcut = beside === undefined ? x : inLayer("shortcut", beside, () => beside.forward(x, context));
    const sum = addend === undefined ? shortcut : add(shortcut, addend);
    return inLayer("f", f, () => forwardThen(f, x, context, { addend: sum, activation }));
  }

  map(replace: (layer: Layer) => Layer): Residual {
    return new Residual(replace(this.f), this.shortcut && replace(this.shortcut));
  }
}

/** A layer and the number of channels of its output. */
export interface Branch {
  readonly channels: number;
  readonly layer: Layer;
}

/** y = [f₁(x), …, fₙ(x)], the channels of all branches side by side.   x:[N,C,H,W] → y:[N,Σ channels,H′,W′]. */
export class Concat extends Combinator {
  readonly branches: readonly Layer[];
  /** The number of channels that each branch gives. */
  readonly channels: readonly number[];

  constructor(...branches: readonly Branch[]) {
    super();
    this.branches = branches.map(({ layer }) => layer);
    this.channels = branches.map(({ channels }) => channels);
  }

  override describe(): Description {
    return { kind: "Concat" };
  }

  forward(x: Tensor, context: Context): Tensor {
    return concat(
      this.branches.map((branch, i) => inLayer(`branches.${i}`, branch, () => branch.forward(x, context))),
      1,
    );
  }

  map(replace: (layer: Layer) => Layer): Concat {
    return new Concat(...this.branches.map((layer, i) => ({ layer: replace(layer), channels: this.channels[i]! })));
  }
}
