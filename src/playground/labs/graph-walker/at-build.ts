/** What the build of the page asks the graph walker. */

import { useBackend } from "../../../backend/active.ts";
import { createReferenceBackend } from "../../../backend/reference/reference-kernels.ts";
import { programs } from "./programs.ts";
import { traceOf } from "./trace.ts";

export { opFactsOf } from "./op-facts.ts";
export { formatSourcePage, sourcePage } from "./source-page.ts";

/** The names of all ops in the graphs of the programs. */
export function opsOfPrograms(): string[] {
  useBackend(createReferenceBackend());
  return [...new Set(programs.flatMap(({ run }) => traceOf(run()).nodes.flatMap(({ op }) => op ?? [])))];
}
