/** What a check finds. */

/** An input on which the VJP is wrong. */
export interface Counterexample {
  readonly rows: number;
  readonly columns: number;
  /** [rows,columns]. */
  readonly x: readonly number[];
  /** The cotangent of y, of the shape of y. */
  readonly g: readonly number[];
  /** What the text gives for the cotangent of x, or why it gives nothing. */
  readonly got: readonly number[] | string;
  /** What central differences give. */
  readonly expected: readonly number[];
}

export type Verdict =
  | { readonly kind: "right"; readonly runs: number }
  /** The counterexamples, from the first that was found to the smallest. */
  | { readonly kind: "wrong"; readonly path: readonly Counterexample[] }
  /** A text that is no program. */
  | { readonly kind: "unreadable"; readonly message: string };

/** The element that is most wrong. */
export function worstElement({ got, expected }: Counterexample): number {
  if (typeof got === "string") return -1;
  const errors = expected.map((value, i) => Math.abs(got[i]! - value));
  return errors.reduce((worst, error, i) => (error > errors[worst]! || Number.isNaN(error) ? i : worst), 0);
}
