/** separable on any of its backends. */

import { useBackend } from "../../../src/backend/active.ts";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { firstElement } from "../../../src/bench/run-benchmark.ts";
import { prepareWorkload } from "../../../src/bench/workload.ts";
import { scope } from "../../../src/tensor/scope.ts";
import type { TypedArray } from "../../../src/tensor/storage.ts";
import type { Contender } from "./contender.ts";

export function separableOn(backend: Kernels, version: string): Contender {
  return {
    name: "separable",
    version,
    slow: () => undefined,
    activate: async () => useBackend(backend),
    prepare: async (problem) => {
      const workload = prepareWorkload(problem);
      const once = async (): Promise<TypedArray[]> => {
        const kept = scope(() => workload.run());
        const values = await Promise.all(kept.map((result) => result.data()));
        for (const result of kept) result.dispose();
        return values;
      };
      return {
        repeat: async () => {
          const end = scope(() => firstElement(workload.run().at(-1)!));
          await end.data();
          end.dispose();
        },
        results: async () => (problem.kind === "trainingStep" ? [...(await once()), ...(await once())] : once()),
        dispose: () => workload.dispose(),
      };
    },
  };
}
