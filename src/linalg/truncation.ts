/** How much of a spectrum may be left out if the relative error must stay within a tolerance. */

import { frobenius } from "./matrix.ts";

/** A share of ‖X‖² that truncations spend: the squares of their errors add up to at most tolerance²·‖X‖². */
export class ErrorBudget {
  readonly #norm: number;
  #left: number;

  /** `tolerance` is the largest error relative to ‖X‖, the Frobenius norm of `values`. */
  constructor(values: ArrayLike<number>, tolerance: number) {
    this.#norm = frobenius(values);
    this.#left = tolerance ** 2;
  }

  /**
   * The smallest rank ≥ 1 whose truncation spends at most 1/`truncations` of what is left of the budget, where `truncations` counts this
   * one and those to come. What a truncation does not spend is left for those to come.
   */
  spend(singularValues: ArrayLike<number>, truncations: number): number {
    const most = this.#left / truncations;
    let lost = 0;
    let rank = singularValues.length;
    while (rank > 1) {
      const next = lost + (singularValues[rank - 1]! / (this.#norm || 1)) ** 2;
      if (next > most) break;
      lost = next;
      rank--;
    }
    this.#left -= lost;
    return rank;
  }
}
