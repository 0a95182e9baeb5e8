/** The place of a walk as the hash of an address: `#graph=batch-norm&step=7`. */

import { DataError } from "../../../core/errors.ts";
import { quote } from "../../../core/quote.ts";
import { formatHash, parseCount, parseHash } from "../../hash-fields.ts";
import { programs } from "./programs.ts";

export interface WalkerPlace {
  /** The name of a program. */
  readonly graph: string;
  readonly step: number;
}

export const startPlace: WalkerPlace = { graph: programs[0]!.name, step: 0 };

/** More steps than any walk has. The page stops at the last one. */
const mostSteps = 999;

export const formatPlace = ({ graph, step }: WalkerPlace): string =>
  formatHash({ ...(graph === startPlace.graph ? {} : { graph }), ...(step === 0 ? {} : { step: String(step) }) });

/** The place of a hash. @throws DataError that names what is wrong. */
export function parsePlace(hash: string): WalkerPlace {
  const { graph = startPlace.graph, step = "0" } = parseHash(hash, ["graph", "step"]);
  if (!programs.some(({ name }) => name === graph))
    throw new DataError(
      `link: graph must be one of ${programs.map(({ name }) => name).join(", ")}, got ${quote(graph)}; copy the link again`,
    );
  return { graph, step: parseCount("step", step, mostSteps) };
}
