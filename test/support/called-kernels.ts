/** Which kernels a computation calls. */

import { kernels, useBackend } from "../../src/backend/active.ts";
import type { Kernels } from "../../src/backend/kernels.ts";

type Kernel = (...call: unknown[]) => unknown;

/** The names of the kernels that `body` calls on the active backend, in order. */
export function calledKernels(body: () => void): string[] {
  const inner = kernels();
  const names: string[] = [];
  const noting = (name: string, kernel: Kernel): Kernel => {
    return (...call) => {
      names.push(name);
      return kernel(...call);
    };
  };
  const noted = Object.entries(inner).map(([name, member]) => [name, typeof member === "function" ? noting(name, member) : member]);
  useBackend(Object.fromEntries(noted) as Kernels);
  try {
    body();
  } finally {
    useBackend(inner);
  }
  return names;
}
