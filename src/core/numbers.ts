/** The check of numeric options. NaN passes a check such as `if (x < 0) throw`, so the check is written once, here. */

import { ConfigError } from "./errors.ts";
import { quote } from "./quote.ts";

export interface NumberRange {
  /** Whether the number must be an integer. Default: false. */
  readonly integer?: boolean;
  readonly least?: number;
  readonly most?: number;
  /** Bounds that are not allowed themselves. */
  readonly above?: number;
  readonly below?: number;
}

function describe({ integer = false, least, most, above, below }: NumberRange): string {
  const bounds = [
    least === undefined ? "" : `≥ ${least}`,
    above === undefined ? "" : `> ${above}`,
    most === undefined ? "" : `≤ ${most}`,
    below === undefined ? "" : `< ${below}`,
  ].filter((bound) => bound !== "");
  return `${integer ? "an integer" : "a finite number"}${bounds.length === 0 ? "" : ` ${bounds.join(" and ")}`}`;
}

/** @throws ConfigError for the first value that is not a finite number in the range. Undefined values are checked too. */
export function checkNumbers(op: string, values: Readonly<Record<string, unknown>>, range: NumberRange): void {
  const { integer = false, least = -Infinity, most = Infinity, above = -Infinity, below = Infinity } = range;
  for (const [name, value] of Object.entries(values)) {
    const fits =
      typeof value === "number" &&
      (integer ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
      value >= least &&
      value <= most &&
      value > above &&
      value < below;
    if (!fits) throw new ConfigError(`${op}: ${name} must be ${describe(range)}, got ${quote(value)}`);
  }
}
