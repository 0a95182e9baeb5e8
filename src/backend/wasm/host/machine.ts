/** What every kernel family needs: the compiled functions, the memory they compute in, and the team that shares the work. */

import type { Storage } from "../../../tensor/storage.ts";
import type { ArenaMemory } from "./arena-memory.ts";
import type { KernelExports } from "./kernel-exports.ts";
import type { ThreadTeam } from "./thread-team.ts";

export interface Machine {
  readonly kernels: KernelExports;
  readonly memory: ArenaMemory;
  readonly team: ThreadTeam;
}

/** Below this many float operations a call is over sooner than a sleeping worker is awake. */
export const sharedWork = 100_000;

/** The same for kernels that do one thing per element. */
export const sharedElements = 32_768;

/** Whether all operands are float32: what the SIMD kernels compute. The rest goes to the reference kernels. */
export const allFloat32 = (...storages: readonly Storage[]): boolean => storages.every(({ dtype }) => dtype === "float32");
