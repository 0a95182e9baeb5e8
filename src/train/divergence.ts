/** The error for a training step whose loss or objective is not finite: it names the term of the objective that is to blame. */

import { DataError } from "../core/errors.ts";
import type { ObjectiveTerm } from "./objective.ts";

/** A term of the objective, with the number that it was. */
export interface SizedTerm extends Pick<ObjectiveTerm, "name" | "lowered"> {
  readonly size: number;
}

/**
 * What to do about numbers that are not finite. The cause is the term that is not finite; or else the term that was the largest in the step
 * before, because its gradient changed the weights the most.
 */
function remedyFor(before: readonly SizedTerm[], wrong: SizedTerm | undefined): string {
  const data = "or look for values that are not finite in the data; detectAnomaly (--detect-anomaly) finds the layer";
  const largest = before.reduce<SizedTerm | undefined>((most, term) => (most && most.size >= term.size ? most : term), undefined);
  if (largest === undefined) return `lower ${wrong?.lowered ?? "the learning rate"}, ${data}`;
  const total = before.reduce((sum, { size }) => sum + size, 0);
  const share = `${largest.name} was ${Number(largest.size.toPrecision(4))} of the objective ${Number(total.toPrecision(4))}`;
  return `lower ${largest.lowered}, since ${share} in the step before, ${data}`;
}

interface StepTerms {
  readonly terms: readonly SizedTerm[];
  /** The terms of the last step whose numbers were finite. */
  readonly before: readonly SizedTerm[];
  /** The step, in words. */
  readonly at: string;
}

/** @throws DataError for a loss, or a term of the objective, that is not finite. */
export function checkFiniteLoss(loss: number, { terms, before, at }: StepTerms): void {
  const wrong = terms.find(({ size }) => !Number.isFinite(size));
  if (Number.isFinite(loss) && wrong === undefined) return;
  const [name, size] = Number.isFinite(loss) ? [wrong!.name, wrong!.size] : ["the loss", loss];
  throw new DataError(`train: ${name} must be finite, got ${size} at ${at}; ${remedyFor(before, wrong)}`);
}
