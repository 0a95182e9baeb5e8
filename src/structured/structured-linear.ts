/**
 * The contract of a structured linear map. A few parameters stand for a whole matrix W:[out,in]. The map can apply W without forming it,
 * and it can give W from the formula. A convolution applies the map to every pixel: it is applied to the columns of x:[N,in,P].
 */

import { ShapeError } from "../core/errors.ts";
import { formatShape, sizeOf } from "../core/shape.ts";
import type { Matrix } from "../linalg/matrix.ts";
import type { Described, Description } from "../nn/describe.ts";
import { Layer } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import { contractChannels, type Stage } from "../ops/contract-channels.ts";
import { add } from "../ops/elementwise.ts";
import { transpose } from "../ops/layout.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { mixChannels } from "./mix-channels.ts";

/** How a map is applied: factor by factor, or by forming W and multiplying by it. */
export type Path = "factorized" | "dense";
/** `auto` takes the path that is predicted to be faster for the given number of columns. */
export type Mode = "auto" | Path;

/** The cost of one path in multiply-adds. A multiply-add is a multiplication by a number that varies, with the addition that follows it. */
export interface Work {
  /** For each column. */
  readonly multiplyAdds: number;
  /** For each call, whatever the number of columns: forming W, or merging factors. */
  readonly perCall: number;
}

export interface Cost extends Work {
  /** The sum of the parameters' sizes, a bias included. */
  readonly parameters: number;
}

/** A factor of a map as a matrix product: for each number that it makes, it sums over some numbers. */
export interface FactorSize {
  readonly parameter: Parameter;
  /** dⁱⁿ, the numbers that one sum runs over. */
  readonly inputs: number;
  /** dᵒᵘᵗ, the numbers that are made of them. */
  readonly outputs: number;
  /** How many factors of this size the parameter holds. Default: 1. */
  readonly count?: number;
}

/** The path that was chosen, and the reason for it. */
export interface PathChoice {
  readonly path: Path;
  readonly reason: string;
}

export interface StructuredOptions {
  /** Whether the map has a bias. Default: false. */
  readonly bias?: boolean;
  /** How the map is applied. Default: `auto`. */
  readonly mode?: Mode;
  /** How the parameters are initialised. Default: `reference`. */
  readonly init?: Initialisation;
}

/**
 * What the paper's code counts for one sample: the pixels before and after a convolution, and whether a depthwise window stands before the
 * map.
 */
export interface PaperPixels {
  readonly input: number;
  readonly output: number;
  readonly windowed: boolean;
}

/**
 * `reference`: as in the paper's code; variance-preserving for families that the paper does not have.
 * `spectral`: the best approximation of a dense initial weight (arXiv 2105.01029).
 * `variance-preserving`: each factor from N(0, min(1, out/in)/in) with its own sizes (arXiv 2310.17813).
 */
export type Initialisation = "reference" | "spectral" | "variance-preserving";

/**
 * A structured map as a layer. It takes the place of `Linear`: y = x·Wᵀ + b for x:[…,in] → y:[…,out].
 */
export abstract class StructuredLinear extends Layer {
  /** The name of the map in error messages and in the tables of `count`. */
  abstract readonly name: string;
  /** The vector that is added to every column; undefined for a map without one. */
  abstract readonly bias: Parameter | undefined;
  readonly inFeatures: number;
  readonly outFeatures: number;
  mode: Mode;

  constructor(inFeatures: number, outFeatures: number, mode: Mode = "auto") {
    super();
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.mode = mode;
  }

  /**
   * W:[out,in] from the formula, differentiable. An implementation must not apply the map to the identity: `toDense` is the oracle of
   * `contract`.
   */
  abstract toDense(): Tensor;

  /** The multiply-adds of `toDense`. */
  abstract denseCost(): number;

  /**
   * The products along the channels that apply W to a column, in the order in which they act: the formula of W read from right to left.
   * Undefined for a map that cannot work so, and for one that does more than such products. Default: undefined.
   */
  stages(): readonly Stage[] | undefined {
    return undefined;
  }

  /**
   * W·x for every column, without the bias.   x:[N,in,P] → [N,out,P]. The default applies the stages, or forms W where there are none. A
   * family that works factor by factor in another way overrides it.
   */
  contract(x: Tensor): Tensor {
    const stages = this.stages();
    return stages === undefined ? mixChannels(x, this.toDense()) : contractChannels(x, stages);
  }

  /** The cost of `contract`; undefined for a map that cannot work factor by factor. */
  contractionCost(): Work | undefined {
    return undefined;
  }

  /**
   * Overwrites the parameters so that W is as near to `target` as the family's algorithm can bring it. A family without such an algorithm
   * leaves this method out.
   */
  fromDense?(target: Matrix): void | Promise<void>;

  /** The multiply-adds that the paper's code counts for one sample (docs/faithfulness.md). The default counts what `contract` executes. */
  paperMultiplyAdds({ output }: PaperPixels): number {
    return (this.contractionCost()?.multiplyAdds ?? this.inFeatures * this.outFeatures) * output;
  }

  /**
   * φ, the throughput of `contract` relative to the dense product's, in multiply-adds per second: one number for a family, near the figures
   * in docs/benchmarks.md. They are lower for few channels and higher for many.
   */
  get throughput(): number {
    return 0.6;
  }

  /** Whether the map has parameters of the weight-decay group `compressed`. A dense map has none: its weight decays as any weight does. */
  get hasFactors(): boolean {
    return [...this.parameters().values()].some(({ decay }) => decay === "compressed");
  }

  /** The paths on which this map can be applied. */
  paths(): readonly Path[] {
    return this.contractionCost() === undefined ? ["dense"] : ["factorized", "dense"];
  }

  /** The cost of `apply` on `path`. Default: the path chosen for one column. */
  cost(path: Path = this.choose(1).path): Cost {
    const parameters = this.parameterCount();
    const factorized = path === "factorized" ? this.contractionCost() : undefined;
    if (factorized !== undefined) return { parameters, ...factorized };
    return { parameters, multiplyAdds: this.inFeatures * this.outFeatures, perCall: this.denseCost() };
  }

  /**
   * The path for a call with B = `columns` columns. Factor by factor is faster when E/φ + e/(φ·B) + p ≤ m·n + C/B, where E and e are the
   * multiply-adds of `contract` per column and per call, φ is its `throughput`, m·n are the multiply-adds of W·x per column, C is
   * `denseCost()`, and p is `passes`: what the caller's passes over memory cost more with the factors than with W, in multiply-adds per
   * column. Default of p: 0. docs/families/README.md works out an example. The choice depends on these figures and on no clock, so a
   * network always takes the same path for the same input and resumed runs repeat bit for bit.
   */
  choose(columns: number, passes = 0): PathChoice {
    const work = this.contractionCost();
    if (work === undefined) return { path: "dense", reason: "no contraction factor by factor exists" };
    if (this.mode !== "auto") return { path: this.mode, reason: `mode ${this.mode}` };
    const count = Math.max(1, columns);
    const factorized = (work.multiplyAdds + work.perCall / count) / this.throughput + passes;
    const dense = this.inFeatures * this.outFeatures + this.denseCost() / count;
    const path = factorized <= dense ? "factorized" : "dense";
    const figures = `${Math.round(factorized)} against ${Math.round(dense)} multiply-adds a column at the dense product's throughput`;
    return { path, reason: `${figures}, ${count} columns` };
  }

  /**
   * What each factor sums over and makes, from the first to act to the last. A block-diagonal factor has the sizes of a block. Learning
   * rates by structure follow from it. A factor that acts twice is listed twice. Default: none, and the rates are not scaled.
   */
  factorSizes(): readonly FactorSize[] {
    return [];
  }

  /** What printing shows beside the sizes, such as ranks. Default: nothing. */
  protected details(): Readonly<Record<string, Described | undefined>> {
    return {};
  }

  override describe(): Description {
    const options = { ...this.details(), bias: this.bias ? true : undefined };
    return { kind: this.name, sizes: [this.inFeatures, this.outFeatures], options, whole: true };
  }

  /**
   * y = x·Wᵀ + b, as in `Linear`.   x:[…,in] → y:[…,out].   All axes before the last one are rows, and `choose` is asked for their number.
   * @throws ShapeError for x of fewer than two axes, or with another last axis.
   */
  forward(x: Tensor): Tensor {
    if (x.rank < 2 || x.shape.at(-1) !== this.inFeatures)
      throw new ShapeError(`${this.name}: x must be […,${this.inFeatures}] with two axes or more, got ${formatShape(x.shape)}`);
    const leading = x.shape.slice(0, -1);
    const rows = this.apply(reshape(x, [sizeOf(leading), this.inFeatures]));
    const y = this.bias === undefined ? rows : add(rows, this.bias.value);
    return reshape(y, [...leading, this.outFeatures]);
  }

  /** The matrix that Frobenius decay shrinks; undefined for a map without factors, which ordinary weight decay shrinks. */
  decayedWeight(): Tensor | undefined {
    return this.hasFactors ? this.toDense() : undefined;
  }

  /**
   * W·x for every column, without the bias, on the path that `choose` gives.   x:[N,in,P] → [N,out,P].
   * @throws ShapeError for another shape of x.
   */
  applyToColumns(x: Tensor): Tensor {
    if (x.rank !== 3 || x.shape[1] !== this.inFeatures)
      throw new ShapeError(`${this.name}: x must be [N,${this.inFeatures},P], got ${formatShape(x.shape)}`);
    const { path } = this.choose(x.shape[0]! * x.shape[2]!);
    return path === "factorized" ? this.contract(x) : mixChannels(x, this.toDense());
  }

  /**
   * x·Wᵀ, without the bias.   x:[n,in] → [n,out].   `cost().multiplyAdds` per row and `cost().perCall` once.
   * @throws ShapeError for another shape of x.
   */
  apply(x: Tensor): Tensor {
    if (x.rank !== 2 || x.shape[1] !== this.inFeatures)
      throw new ShapeError(`${this.name}: x must be [n,${this.inFeatures}], got ${formatShape(x.shape)}`);
    const [rows] = x.shape as [number, number];
    const { path } = this.choose(rows);
    if (path === "dense") return matmul(x, this.toDense(), { transposeB: true });
    const y = this.contract(reshape(transpose(x), [1, this.inFeatures, rows]));
    return transpose(reshape(y, [this.outFeatures, rows]));
  }
}
