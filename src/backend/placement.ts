/** Where each kernel of a backend runs: the data that `separable info` prints and that docs/backends.md lists. */

import type { DType } from "../tensor/storage.ts";
import type { KernelName } from "./kernels.ts";
import type { Acceptance } from "./overlay.ts";
import { HeapMemory } from "./reference/heap-memory.ts";
import { referenceKernels } from "./reference/reference-kernels.ts";
import { wasmAcceptances } from "./wasm/acceptances.ts";

/** One kernel of the wasm backend. `simd` says which calls run in SIMD. All other calls run in plain TypeScript. */
export interface KernelPlacement {
  readonly kernel: KernelName;
  /** Default: no call runs in SIMD. */
  readonly simd?: {
    readonly dtypes: readonly DType[];
    /** The largest number of axes that a call may have after adjacent axes are merged where they can be. Default: any number. */
    readonly maximumRank?: number;
    /** Whether the first operand must have at least one element. Default: false. */
    readonly nonEmpty?: boolean;
  };
}

function placementOf(kernel: KernelName, acceptance: Acceptance | undefined): KernelPlacement {
  if (acceptance === undefined) return { kernel };
  const { dtypes, maximumRank, nonEmpty } = acceptance;
  return {
    kernel,
    simd: {
      dtypes,
      ...(maximumRank === undefined ? {} : { maximumRank }),
      ...(nonEmpty === undefined ? {} : { nonEmpty }),
    },
  };
}

/** Every kernel of the wasm backend, in the order of the reference backend. */
export function wasmPlacement(): KernelPlacement[] {
  const acceptances: Partial<Record<KernelName, unknown>> = wasmAcceptances;
  const kernels = Object.keys(referenceKernels(new HeapMemory("placement"))) as KernelName[];
  return kernels.map((kernel) => placementOf(kernel, acceptances[kernel] as Acceptance | undefined));
}

/** Which calls run in SIMD, in words: `float32, at most 8 axes`. */
export function describeSimd({ dtypes, maximumRank, nonEmpty }: NonNullable<KernelPlacement["simd"]>): string {
  return [
    dtypes.join(" and "),
    ...(maximumRank === undefined ? [] : [`at most ${maximumRank} axes`]),
    ...(nonEmpty ? ["at least one element"] : []),
  ].join(", ");
}

/**
 * The kernels of the wasm backend, grouped by the calls that run in SIMD, such as [`float32`, [`select`, `clamp`, …]].
 * The last group holds the kernels whose calls all run in plain TypeScript.
 */
export function wasmPlacementGroups(): [place: string, kernels: readonly KernelName[]][] {
  const groups = new Map<string, KernelName[]>();
  for (const { kernel, simd } of wasmPlacement()) {
    if (simd === undefined) continue;
    const place = describeSimd(simd);
    groups.set(place, [...(groups.get(place) ?? []), kernel]);
  }
  const plain = wasmPlacement().flatMap(({ kernel, simd }) => (simd === undefined ? [kernel] : []));
  return [...[...groups].map(([place, kernels]): [string, KernelName[]] => [place, kernels]), ["plain TypeScript", plain]];
}

/** The lines that `separable info` prints for a backend of this name. Each line has a label, and the kernels that run there. */
export function placementLines(backend: string): [label: string, value: string][] {
  if (backend === "reference") return [["kernels", "all in plain TypeScript"]];
  if (backend !== "wasm") return [["kernels", "all in programs of gpu.js"]];
  const groups = wasmPlacementGroups();
  const simd = groups.slice(0, -1).map(([place, kernels]): [string, string] => ["SIMD", `${kernels.join(", ")} (${place})`]);
  return [...simd, ["plain", `${groups.at(-1)![1].join(", ")}, and every call outside these limits (TypeScript)`]];
}
