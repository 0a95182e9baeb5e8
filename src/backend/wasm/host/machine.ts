/** What every kernel family needs: the compiled functions, the memory they compute in, and the team that shares the work. */

import type { DType, Storage } from "../../../tensor/storage.ts";
import type { ArenaMemory } from "./arena-memory.ts";
import type { KernelExports } from "./kernel-exports.ts";
import type { ThreadTeam } from "./thread-team.ts";

export interface Machine {
  readonly kernels: KernelExports;
  readonly memory: ArenaMemory;
  readonly team: ThreadTeam;
}

/** A call with fewer float operations than this ends before a sleeping worker has woken up, so the caller computes it alone. */
export const sharedWork = 100_000;

/** The same bound for kernels that do one thing per element, in elements. */
export const sharedElements = 32_768;

/** The dtype that the vector kernels compute in. */
export const isFloat32 = ({ dtype }: Storage): boolean => dtype === "float32";

/** The dtypes that kernels which only move elements take. */
export const fourByteTypes: readonly DType[] = ["float32", "int32"];
export const hasFourBytes = (dtype: DType): boolean => dtype !== "float64";
