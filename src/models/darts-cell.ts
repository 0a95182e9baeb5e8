/** The cells of DARTS (Liu, Simonyan & Yang 2019, arXiv 1806.09055): directed acyclic graphs of operations, stacked into a network. */

import type { Context } from "../core/context.ts";
import { Combinator, type Staged } from "../nn/combinators.ts";
import type { Description } from "../nn/describe.ts";
import { Layer, Module } from "../nn/module.ts";
import { dropPath } from "../ops/dropout.ts";
import { add } from "../ops/elementwise.ts";
import { concat } from "../ops/layout.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** y = x. Drop path never drops an identity, as in the published code. */
export class Identity extends Layer {
  override describe(): Description {
    return { kind: "Identity" };
  }

  forward(x: Tensor): Tensor {
    return x;
  }
}

/** The layers of a cell. The names are those of the published code. */
export interface CellParts {
  readonly preprocess0: Layer;
  readonly preprocess1: Layer;
  /** Two operations for each new state. */
  readonly _ops: readonly Layer[];
}

/**
 * A directed acyclic graph of states (§2.1). States 0 and 1 are the preprocessed outputs of the two cells before. Each new state is the sum
 * of two operations on earlier states, sₖ = o(sᵢ) + o′(sⱼ). The output is the concatenation of the n new states.
 * older, newer → y:[N,n·channels,H′,W′].
 */
export class Cell extends Module implements CellParts {
  readonly preprocess0: Layer;
  readonly preprocess1: Layer;
  readonly _ops: readonly Layer[];
  readonly #from: readonly number[];

  /** @param from The number of the state that each operation is applied to. */
  constructor({ preprocess0, preprocess1, _ops }: CellParts, from: readonly number[]) {
    super();
    this.preprocess0 = preprocess0;
    this.preprocess1 = preprocess1;
    this._ops = _ops;
    this.#from = from;
  }

  override describe(): Description {
    return { kind: "Cell", options: { from: this.#from } };
  }

  forward(older: Tensor, newer: Tensor, context: Context): Tensor {
    const states = [this.preprocess0.forward(older, context), this.preprocess1.forward(newer, context)];
    const term = (k: number): Tensor => {
      const operation = this._ops[k]!;
      const y = operation.forward(states[this.#from[k]!]!, context);
      return operation instanceof Identity ? y : dropPath(y, context.dropPath ?? 0, context);
    };
    for (let k = 0; k < this._ops.length; k += 2) states.push(add(term(k), term(k + 1)));
    return concat(states.slice(2), 1);
  }

  /** The same graph with `replace(layer)` in the place of each layer. */
  map(replace: (layer: Layer) => Layer): Cell {
    const { preprocess0, preprocess1, _ops } = this;
    return new Cell({ preprocess0: replace(preprocess0), preprocess1: replace(preprocess1), _ops: _ops.map(replace) }, this.#from);
  }
}

/** cₖ = cellₖ(cₖ₋₂, cₖ₋₁) for k = 0, 1, …, with c₋₂ = c₋₁ = stem(x). The stages are the cells. */
export class CellStack extends Combinator implements Staged {
  readonly stem: Layer;
  readonly cells: readonly Cell[];

  constructor(stem: Layer, cells: readonly Cell[]) {
    super();
    this.stem = stem;
    this.cells = cells;
  }

  override describe(): Description {
    return { kind: "CellStack" };
  }

  outputs(x: Tensor, context: Context): Tensor[] {
    let newer = this.stem.forward(x, context);
    let older = newer;
    return this.cells.map((cell) => {
      const y = cell.forward(older, newer, context);
      [older, newer] = [newer, y];
      return y;
    });
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.outputs(x, context).at(-1)!;
  }

  map(replace: (layer: Layer) => Layer): CellStack {
    return new CellStack(
      replace(this.stem),
      this.cells.map((cell) => cell.map(replace)),
    );
  }
}
