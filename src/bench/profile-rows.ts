/** Sums of a profile: by kernel, and by layer. */

import type { Profile, ProfiledCall } from "../nn/profile.ts";
import { rounded } from "./measured-row.ts";

/** The calls of one kernel, or of one layer. */
export interface ProfileRow {
  /** The kernel or the layer. */
  readonly name: string;
  readonly calls: number;
  readonly ms: number;
  /** The part of `ms` in each pass. */
  readonly forwardMs: number;
  readonly backwardMs: number;
  /** What the calls must move, in bytes. */
  readonly bytes: number;
  readonly multiplyAdds: number;
  /** 2·multiply-adds/time in 10⁹/s; 0 for work without multiply-adds. */
  readonly gflops: number;
  /** Bytes/time in 10⁹/s. */
  readonly gigabytesPerSecond: number;
  /** The share of the time of the whole step. */
  readonly share: number;
}

export interface ProfileRows {
  /** The time of the step, in milliseconds. */
  readonly ms: number;
  /** The part of `ms` in which no kernel ran. */
  readonly betweenKernelsMs: number;
  /** The slowest comes first, here and below. */
  readonly kernels: readonly ProfileRow[];
  readonly layers: readonly ProfileRow[];
}

/** The layer of a row. The model itself has an empty name, so it gets one that no layer has. */
export function layerOf({ layer, pass }: ProfiledCall): string {
  if (layer === undefined) return pass === "update" ? "(update)" : "(outside of the model)";
  return layer === "" ? "(the model itself)" : layer;
}

export function profileRows({ calls, milliseconds }: Profile): ProfileRows {
  const inKernels = sum(calls, (call) => call.milliseconds);
  return {
    ms: rounded(milliseconds),
    betweenKernelsMs: rounded(Math.max(0, milliseconds - inKernels)),
    kernels: grouped(calls, ({ kernel }) => kernel, milliseconds),
    layers: grouped(calls, layerOf, milliseconds),
  };
}

function grouped(calls: readonly ProfiledCall[], nameOf: (call: ProfiledCall) => string, total: number): ProfileRow[] {
  const groups = new Map<string, ProfiledCall[]>();
  for (const call of calls) {
    const group = groups.get(nameOf(call));
    if (group === undefined) groups.set(nameOf(call), [call]);
    else group.push(call);
  }
  return [...groups].map(([name, group]) => row(name, group, total)).sort((a, b) => b.ms - a.ms);
}

function row(name: string, calls: readonly ProfiledCall[], total: number): ProfileRow {
  const ms = sum(calls, (call) => call.milliseconds);
  const msOf = (wanted: string): number => sum(calls, ({ pass, milliseconds }) => (pass === wanted ? milliseconds : 0));
  const [bytes, multiplyAdds] = [sum(calls, (call) => call.bytes), sum(calls, (call) => call.multiplyAdds)];
  // A clock that does not advance during short calls gives no rate.
  const perSecond = (amount: number): number => (ms === 0 ? 0 : rounded(amount / (ms * 1e6)));
  return {
    name,
    calls: calls.length,
    ms: rounded(ms),
    forwardMs: rounded(msOf("forward")),
    backwardMs: rounded(msOf("backward")),
    bytes,
    multiplyAdds,
    gflops: perSecond(2 * multiplyAdds),
    gigabytesPerSecond: perSecond(bytes),
    share: total === 0 ? 0 : rounded(ms / total),
  };
}

const sum = (calls: readonly ProfiledCall[], of: (call: ProfiledCall) => number): number =>
  calls.reduce((total, call) => total + of(call), 0);
