/**
 * A profile as a file that chrome://tracing, Perfetto and Chrome's DevTools open: the JSON object format of "Trace Event Format" (Google,
 * 2016). A process of the trace is one profiled step. It has two tracks: the kernels, and above them the layers that called them.
 */

import type { Profile, ProfiledCall } from "../nn/profile.ts";
import { layerOf } from "./profile-rows.ts";

/** A span ("complete event") or a name of a track. Times are in microseconds. */
export type TraceEvent =
  | {
      readonly ph: "X";
      readonly name: string;
      readonly cat: string;
      readonly ts: number;
      readonly dur: number;
      readonly pid: number;
      readonly tid: number;
      readonly args: Readonly<Record<string, string | number>>;
    }
  | {
      readonly ph: "M";
      readonly name: "process_name" | "thread_name";
      readonly pid: number;
      readonly tid: number;
      readonly args: { readonly name: string };
    };

export interface ChromeTrace {
  readonly displayTimeUnit: "ms";
  readonly traceEvents: readonly TraceEvent[];
}

const tracks = { layers: 1, kernels: 2 } as const;

/** The trace of named profiles, one process each. Each begins at 0. */
export const chromeTrace = (profiles: readonly { readonly name: string; readonly profile: Profile }[]): ChromeTrace => ({
  displayTimeUnit: "ms",
  traceEvents: profiles.flatMap(({ name, profile }, i) => eventsOf(name, profile, i + 1)),
});

function eventsOf(name: string, { calls, start }: Profile, pid: number): TraceEvent[] {
  // Whole nanoseconds, so that rounding makes no span overlap the next one.
  const nanoseconds = (time: number): number => Math.round(1e6 * (time - start));
  const span = (
    tid: number,
    label: string,
    cat: string,
    first: ProfiledCall,
    last: ProfiledCall,
    args: Record<string, string | number>,
  ) => {
    const [begin, end] = [nanoseconds(first.start), nanoseconds(last.start + last.milliseconds)];
    return { ph: "X", name: label, cat, ts: begin / 1000, dur: (end - begin) / 1000, pid, tid, args } as const;
  };
  const named = (kind: "process_name" | "thread_name", tid: number, label: string): TraceEvent => ({
    ph: "M",
    name: kind,
    pid,
    tid,
    args: { name: label },
  });
  return [
    named("process_name", 0, name),
    ...Object.entries(tracks).map(([track, tid]) => named("thread_name", tid, track)),
    ...runsOf(calls).map((run) => span(tracks.layers, layerOf(run[0]!), run[0]!.pass, run[0]!, run.at(-1)!, { calls: run.length })),
    ...calls.map((call) =>
      span(tracks.kernels, call.kernel, call.pass, call, call, {
        layer: layerOf(call),
        bytes: call.bytes,
        multiplyAdds: call.multiplyAdds,
      }),
    ),
  ];
}

/** The calls cut where the layer or the pass changes. */
function runsOf(calls: readonly ProfiledCall[]): ProfiledCall[][] {
  const runs: ProfiledCall[][] = [];
  for (const call of calls) {
    const last = runs.at(-1)?.[0];
    if (last !== undefined && last.layer === call.layer && last.pass === call.pass) runs.at(-1)!.push(call);
    else runs.push([call]);
  }
  return runs;
}
