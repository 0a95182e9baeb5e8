/** Traces, read by a reader of the trace event format that knows nothing of profiles. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { chromeTrace } from "../../src/bench/chrome-trace.ts";
import type { Profile, ProfiledCall } from "../../src/nn/profile.ts";

interface Span {
  readonly name: string;
  readonly category: string;
  /** Whole nanoseconds, as Perfetto keeps them. */
  readonly begin: number;
  readonly end: number;
  readonly args: Readonly<Record<string, unknown>>;
}

/**
 * The spans of each track by the names of its process and its thread. It follows the document "Trace Event Format": the object form, `X`
 * events with ts and dur in microseconds, `M` events that name processes and threads. Spans of one track that neither nest nor follow one
 * another are an error, as viewers cannot draw them.
 */
function readTrace(json: string): Map<string, Span[]> {
  const { traceEvents } = JSON.parse(json) as { traceEvents: Record<string, unknown>[] };
  const [processes, threads] = [new Map<number, string>(), new Map<string, string>()];
  for (const { ph, name, pid, tid, args } of traceEvents) {
    if (ph !== "M") continue;
    const label = (args as { name: string }).name;
    if (name === "process_name") processes.set(pid as number, label);
    else if (name === "thread_name") threads.set(`${pid} ${tid}`, label);
    else throw new Error(`unknown metadata ${name}`);
  }
  const tracks = new Map<string, Span[]>();
  for (const label of threads.keys()) tracks.set(`${processes.get(Number(label.split(" ")[0]))}: ${threads.get(label)}`, []);
  for (const { ph, name, cat, ts, dur, pid, tid, args } of traceEvents) {
    if (ph === "M") continue;
    if (ph !== "X" || typeof ts !== "number" || typeof dur !== "number" || !(dur >= 0) || typeof name !== "string")
      throw new Error(`no complete event: ${ph} ${name} ${ts} ${dur}`);
    const track = tracks.get(`${processes.get(pid as number)}: ${threads.get(`${pid} ${tid}`)}`);
    if (track === undefined) throw new Error(`no name for process ${pid}, thread ${tid}`);
    const begin = Math.round(1000 * ts);
    track.push({ name, category: String(cat), begin, end: begin + Math.round(1000 * dur), args: args as Span["args"] });
  }
  for (const spans of tracks.values()) {
    const open: Span[] = [];
    for (const span of spans.toSorted((a, b) => a.begin - b.begin || b.end - a.end)) {
      while (open.length > 0 && open.at(-1)!.end <= span.begin) open.pop();
      if (open.length > 0 && span.end > open.at(-1)!.end) throw new Error(`${span.name} overlaps the end of ${open.at(-1)!.name}`);
      open.push(span);
    }
  }
  return tracks;
}

/** Calls one after the other, at times that no float holds exactly. */
const profiles = fc
  .tuple(
    fc.double({ min: 0, max: 1e6, noNaN: true }),
    fc.array(
      fc.record({
        idle: fc.double({ min: 0, max: 3, noNaN: true }),
        milliseconds: fc.double({ min: 0, max: 30, noNaN: true }),
        kernel: fc.constantFrom("conv2d", 'quoted "name"', "binary add"),
        bytes: fc.nat(),
        multiplyAdds: fc.nat(),
        pass: fc.constantFrom("forward", "backward", "update"),
        layer: fc.constantFrom(undefined, "", "block1.0", "fc"),
      }),
      { maxLength: 20 },
    ),
  )
  .map(([start, steps]): Profile => {
    let now = start;
    const calls = steps.map(({ idle, ...call }): ProfiledCall => {
      const begin = now + idle;
      now = begin + call.milliseconds;
      return { ...call, start: begin } as ProfiledCall;
    });
    return { calls, start, milliseconds: now - start };
  });

test("a trace has every call at its time, below the layer that called it", () => {
  fc.assert(
    fc.property(fc.array(profiles, { minLength: 1, maxLength: 3 }), (all) => {
      const tracks = readTrace(JSON.stringify(chromeTrace(all.map((profile, i) => ({ name: `step ${i}`, profile })))));
      expect(tracks.size).toBe(2 * all.length);
      all.forEach(({ calls, start }, i) => {
        const [kernels, layers] = ["kernels", "layers"].map((track) => tracks.get(`step ${i}: ${track}`)!) as [Span[], Span[]];
        expect(kernels.map(({ name, category, args }) => [name, category, args.bytes, args.multiplyAdds])).toEqual(
          calls.map(({ kernel, pass, bytes, multiplyAdds }) => [kernel, pass, bytes, multiplyAdds]),
        );
        kernels.forEach(({ begin, end }, k) => {
          // A time of a million milliseconds has a rounding error of a tenth of a nanosecond.
          expect(Math.abs(begin - 1e6 * (calls[k]!.start - start))).toBeLessThanOrEqual(1);
          expect(Math.abs(end - begin - 1e6 * calls[k]!.milliseconds)).toBeLessThanOrEqual(2);
        });
        // Each layer's span holds the kernels that were called in it, and no others.
        expect(layers.reduce((total, { args }) => total + Number(args.calls), 0)).toBe(calls.length);
        let next = 0;
        for (const { name, category, begin, end, args } of layers)
          for (let k = 0; k < Number(args.calls); k++, next++) {
            expect(kernels[next]).toMatchObject({ category, args: { layer: name } });
            expect(begin).toBeLessThanOrEqual(kernels[next]!.begin);
            expect(end).toBeGreaterThanOrEqual(kernels[next]!.end);
          }
      });
    }),
  );
});
