/**
 * The contract of a structured linear map: few parameters that stand for a whole matrix W:[out,in], a way to apply W without forming it,
 * and W itself from the formula. A convolution applies the map to every pixel, so the columns of x:[N,in,P] are what it is applied to.
 */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { Module } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import { transpose } from "../ops/layout.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { mixChannels } from "./mix-channels.ts";

/** How a map is applied: factor by factor, or by rebuilding W and multiplying with it. */
export type Path = "factorized" | "dense";
/** `auto` takes the path that the costs predict to be the faster one for the number of columns at hand. */
export type Mode = "auto" | Path;

/** What one path costs, in multiply-adds: multiplications by a number that varies, each with the addition that follows. */
export interface Work {
  /** For each column that passes through. */
  readonly multiplyAdds: number;
  /** For each call, however many columns: rebuilding W, merging factors. */
  readonly perCall: number;
}

export interface Cost extends Work {
  /** Σ of the parameters' sizes, a bias included. */
  readonly parameters: number;
}

/** What `auto` chose and why. */
export interface PathChoice {
  readonly path: Path;
  readonly reason: string;
}

export interface StructuredOptions {
  readonly bias?: boolean;
  readonly mode?: Mode;
  readonly init?: Initialisation;
}

/**
 * `reference`: as the paper's code begins, or variance-preserving where the paper has no such layer. `spectral`: the best approximation of a dense
 * initial weight (2105.01029). `variance-preserving`: each factor N(0, min(1, out/in)/in) with its own sizes (2310.17813).
 */
export type Initialisation = "reference" | "spectral" | "variance-preserving";

export abstract class StructuredLinear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  mode: Mode;

  constructor(inFeatures: number, outFeatures: number, mode: Mode = "auto") {
    super();
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.mode = mode;
  }

  /** W:[out,in] from the formula, differentiable; never by applying the map to the identity. */
  abstract toDense(): Tensor;
  /** W·x column by column, factor by factor.   x:[N,in,P] → [N,out,P]. A family without such a way keeps this one, by W. */
  contract(x: Tensor): Tensor {
    return mixChannels(x, this.toDense());
  }

  /** What `contract` costs; undefined where it is not factor by factor. */
  contraction(): Work | undefined {
    return undefined;
  }

  /** Multiply-adds of `toDense`. */
  abstract rebuild(): number;

  /** Overwrites the parameters so that W is nearest to `target`, where a best approximation (or a good local one) is known. */
  fromDense?(target: Matrix): void | Promise<void>;

  /** Throughput of `contract` relative to the dense product's, in multiply-adds per second; measured, see docs/benchmarks.md. */
  get throughput(): number {
    return 0.6;
  }

  /** What is added to every column, if anything. */
  offset(): Parameter | undefined {
    return undefined;
  }

  /** The ways this map can be applied. */
  paths(): readonly Path[] {
    return this.contraction() === undefined ? ["dense"] : ["factorized", "dense"];
  }

  /** What `apply` costs on `path`; without one, on the path taken for one column at a time. */
  cost(path: Path = this.choose(1).path): Cost {
    const parameters = this.parameterCount();
    const factorized = path === "factorized" ? this.contraction() : undefined;
    if (factorized !== undefined) return { parameters, ...factorized };
    return { parameters, multiplyAdds: this.inFeatures * this.outFeatures, perCall: this.rebuild() };
  }

  /**
   * The path for `columns` columns a call. Factor by factor beats dense when E/φ + e/B < mn + C/B: E, e multiply-adds per column and call of
   * `contract`, φ its relative throughput, C those of `toDense`, B the columns (paper.md's crossover). Decided by figures, so the same network
   * on the same input always takes the same path and a resumed run repeats itself bit by bit.
   */
  choose(columns: number): PathChoice {
    const work = this.contraction();
    if (work === undefined) return { path: "dense", reason: "no contraction factor by factor exists" };
    if (this.mode !== "auto") return { path: this.mode, reason: `mode ${this.mode}` };
    const count = Math.max(1, columns);
    const factorized = (work.multiplyAdds + work.perCall / count) / this.throughput;
    const dense = this.inFeatures * this.outFeatures + this.rebuild() / count;
    const path = factorized <= dense ? "factorized" : "dense";
    const figures = `${Math.round(factorized)} against ${Math.round(dense)} multiply-adds a column at the dense product's throughput`;
    return { path, reason: `${figures}, ${count} columns` };
  }

  /** W·x for every column, by the path chosen.   x:[N,in,P] → [N,out,P]. @throws ShapeError */
  applyToColumns(x: Tensor): Tensor {
    if (x.rank !== 3 || x.shape[1] !== this.inFeatures)
      throw new ShapeError(`${this.constructor.name}: x must be [N,${this.inFeatures},P], got ${formatShape(x.shape)}`);
    const { path } = this.choose(x.shape[0]! * x.shape[2]!);
    return path === "factorized" ? this.contract(x) : mixChannels(x, this.toDense());
  }

  /** x·Wᵀ, without the bias.   x:[n,in] → [n,out].   cost().multiplyAdds per row, cost().perCall once. @throws ShapeError */
  apply(x: Tensor): Tensor {
    if (x.rank !== 2 || x.shape[1] !== this.inFeatures)
      throw new ShapeError(`${this.constructor.name}: x must be [n,${this.inFeatures}], got ${formatShape(x.shape)}`);
    const [rows] = x.shape as [number, number];
    const { path } = this.choose(rows);
    if (path === "dense") return matmul(x, this.toDense(), { transposeB: true });
    const y = this.contract(reshape(transpose(x), [1, this.inFeatures, rows]));
    return transpose(reshape(y, [this.outFeatures, rows]));
  }
}

/** @throws ConfigError unless sizes are integers ≥ 1. */
export function checkSizes(name: string, sizes: Readonly<Record<string, number>>): void {
  for (const [what, size] of Object.entries(sizes))
    if (!Number.isInteger(size) || size < 1) throw new ConfigError(`${name}: ${what} must be an integer ≥ 1, got ${size}`);
}
