/** Sums of Kronecker products (Van Loan & Pitsianis 1993): W = Σ_t B_t ⊗ C_t. */

import { balancedFactors } from "../core/factors.ts";
import { checkOptions } from "../core/options.ts";
import { type KroneckerShape, type KroneckerSum, nearestKronecker } from "../linalg/kronecker.ts";
import { frobenius, type Matrix } from "../linalg/matrix.ts";
import { ErrorBudget } from "../linalg/truncation.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, normalMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, familyOptions, searchRank, whole } from "./family.ts";
import { type FromDenseOptions, prepareFromDense, withBias } from "./from-dense.ts";
import { checkDivisor, checkRank, checkSizes } from "./sizes.ts";
import { type FactorSize, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

/** The number of terms, and the shape of the factors B_t:[m₁,n₁]. Then C_t has the shape [out/m₁,in/n₁]. */
export interface KroneckerSumShape {
  /** The number of terms. */
  readonly terms: number;
  /** m₁, a divisor of out. Default: the one nearest to √out from below. */
  readonly rows?: number;
  /** n₁, a divisor of in. Default: the one nearest to √in from below. */
  readonly columns?: number;
}

export type KroneckerFromDense = FromDenseOptions & Omit<KroneckerSumShape, "terms">;

/** The shape of B where none is given. */
const usualFactors = (inFeatures: number, outFeatures: number): KroneckerShape => ({
  rows: balancedFactors(outFeatures, 2)[0]!,
  columns: balancedFactors(inFeatures, 2)[0]!,
});

/** The number of terms beyond which a sum gives no more matrices: the smaller of the sizes of B and of C. */
const mostTerms = (inFeatures: number, outFeatures: number, { rows, columns }: KroneckerShape): number =>
  Math.min(rows * columns, (outFeatures / rows) * (inFeatures / columns));

const denseEquation = "tab,tcd->acbd";

/**
 * W[o₁·m₂ + o₂, i₁·n₂ + i₂] = Σ_t B[t,o₁,i₁]·C[t,o₂,i₂].   t·(m₁n₁ + m₂n₂) parameters. C acts first and B after it, with t·m₂·(in + m₁n₁)
 * multiply-adds per column. `fromDense` is the truncated SVD of the rearranged matrix. The result is the nearest such sum.
 */
export class KroneckerLinear extends StructuredLinear {
  readonly name = "KroneckerLinear";
  readonly B: Parameter;
  readonly C: Parameter;
  readonly bias: Parameter | undefined;

  /** @throws ConfigError for rows that do not divide out, columns that do not divide in, and more terms than either factor has entries. */
  constructor(inFeatures: number, outFeatures: number, shape: KroneckerSumShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("KroneckerLinear", options, familyOptions);
    checkSizes("KroneckerLinear", { inFeatures, outFeatures });
    const usual = usualFactors(inFeatures, outFeatures);
    const { terms, rows: m1 = usual.rows, columns: n1 = usual.columns } = shape;
    checkDivisor("KroneckerLinear", "rows", m1, outFeatures, "the outputs");
    checkDivisor("KroneckerLinear", "columns", n1, inFeatures, "the inputs");
    const [m2, n2] = [outFeatures / m1, inFeatures / n1];
    const reason = `B has ${m1}·${n1} = ${m1 * n1} entries, and C has ${m2}·${n2} = ${m2 * n2}`;
    checkRank("KroneckerLinear", "terms", terms, mostTerms(inFeatures, outFeatures, { rows: m1, columns: n1 }), reason);
    this.B = factor(variancePreserving([terms, m1, n1], terms * n1, m1, build), "crc");
    this.C = factor(variancePreserving([terms, m2, n2], n2, terms * m2, build), "rrc");
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (options.init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  /**
   * The map of the fewest terms whose relative error is at most the tolerance. No sum of fewer terms with factors of these shapes is as
   * near.
   * @throws ConfigError for a tolerance out of range, and for rows or columns that do not divide W.
   */
  static fromDense(target: Matrix, options: KroneckerFromDense): KroneckerLinear {
    const { tolerance, build, options: own } = prepareFromDense("KroneckerLinear", target, options);
    const usual = usualFactors(target.columns, target.rows);
    const { rows = usual.rows, columns = usual.columns } = options;
    checkDivisor("KroneckerLinear", "rows", rows, target.rows, "the outputs");
    checkDivisor("KroneckerLinear", "columns", columns, target.columns, "the inputs");
    const all = nearestKronecker(target, { rows, columns }, mostTerms(target.columns, target.rows, { rows, columns })).terms;
    // The terms are orthogonal, and the norm of a term is its singular value.
    const norms = all.map(({ b, c }) => frobenius(b.data) * frobenius(c.data));
    const terms = new ErrorBudget(target.data, tolerance).spend(norms, 1);
    const map = new KroneckerLinear(target.columns, target.rows, { terms, rows, columns }, build, own);
    map.#write(all.slice(0, terms));
    return withBias(map, options);
  }

  override stages(): readonly Stage[] {
    return [
      ["tcd,bd->btc", this.C.value],
      ["tab,btc->ac", this.B.value],
    ];
  }

  override factorSizes(): readonly FactorSize[] {
    const [terms, m1, n1] = this.B.shape as [number, number, number];
    const [, m2, n2] = this.C.shape as [number, number, number];
    return [
      { parameter: this.C, inputs: n2, outputs: terms * m2 },
      { parameter: this.B, inputs: terms * n1, outputs: m1 },
    ];
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { terms: this.B.shape[0] };
  }

  toDense(): Tensor {
    return reshape(einsum(denseEquation, this.B.value, this.C.value), [this.outFeatures, this.inFeatures]);
  }

  override contractionCost(): Work {
    const [terms, m1, n1] = this.B.shape as [number, number, number];
    const m2 = this.C.shape[1]!;
    return { multiplyAdds: terms * m2 * (this.inFeatures + m1 * n1), perCall: 0 };
  }

  denseCost(): number {
    return einsumMultiplyAdds(denseEquation, this.B.value, this.C.value);
  }

  override fromDense(target: Matrix): void {
    const [terms, rows, columns] = this.B.shape as [number, number, number];
    this.#write(nearestKronecker(target, { rows, columns }, terms).terms);
  }

  #write(terms: KroneckerSum["terms"]): void {
    this.B.write(terms.flatMap(({ b }) => [...b.data]));
    this.C.write(terms.flatMap(({ c }) => [...c.data]));
  }
}

export const kroneckerFamily = defineFamily({
  kind: "Kronecker",
  title: "Kronecker sum",
  parameters: [whole("terms")],
  budget: searchRank("terms"),
  examples: { inspect: { kind: "Kronecker", terms: 8 }, bench: [{ kind: "Kronecker", terms: 4 }] },
  // One spec serves layers of all sizes, so small layers have fewer terms.
  linear: ({ terms }, inFeatures, outFeatures, build, options) => {
    const most = mostTerms(inFeatures, outFeatures, usualFactors(inFeatures, outFeatures));
    return new KroneckerLinear(inFeatures, outFeatures, { terms: Math.min(terms, most) }, build, options);
  },
});
