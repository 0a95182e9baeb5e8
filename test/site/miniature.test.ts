/** The table and the picture of the miniature are true for any grid of runs, not for today's alone. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { sizePlot, sizesOf } from "../../docs/miniature/size-plot.ts";
import { frontOf, studentsOf } from "../../docs/miniature/students.ts";
import { miniatureTable } from "../../docs/miniature/table.ts";
import type { ReportRun } from "../../src/report/report-run.ts";

const run = (convolution: string, parameters: number, seed: number, teacher: string | undefined, error: number): ReportRun => ({
  name: `${convolution}-${seed}-${teacher}`,
  network: "wrn-16-2",
  convolution,
  seed,
  data: "cifar10",
  teacher,
  seconds: 1,
  parameters,
  paperMultAdds: 10 * parameters,
  multAdds: 9 * parameters,
  milliseconds: undefined,
  error,
  bestError: error,
  finished: true,
  epochs: [],
  confusion: undefined,
  classes: [],
  pictures: [],
});

/** Errors of the seeds, alone and taught. Few values make ties likely, and the means of one or two eighths are exact. */
const errors = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 2 });
const student = fc
  .record({ parameters: fc.integer({ min: 1, max: 9 }), alone: errors, taught: errors })
  .filter(({ alone, taught }) => alone.length + taught.length > 0);
const grid = fc.array(student, { minLength: 1, maxLength: 6 });

const runsOf = (students: readonly { parameters: number; alone: number[]; taught: number[] }[]): ReportRun[] =>
  students.flatMap(({ parameters, alone, taught }, i) =>
    [[alone, undefined] as const, [taught, "wrn-16-4"] as const].flatMap(([list, teacher]) =>
      list.map((error, seed) => run(`Shuffle_${i + 1}`, parameters, seed, teacher, error / 8)),
    ),
  );
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

test("a student has the means over its seeds, and the largest student comes first", () =>
  fc.assert(
    fc.property(grid, (students) => {
      const found = studentsOf(runsOf(students));
      expect(found.map(({ network }) => network.convolution).sort()).toEqual(students.map((_, i) => `Shuffle_${i + 1}`).sort());
      const sizes = found.map(({ network }) => network.parameters);
      expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
      for (const { network, alone, taught } of found) {
        const made = students[Number(network.convolution.split("_")[1]) - 1]!;
        for (const [way, list] of [
          [alone, made.alone],
          [taught, made.taught],
        ] as const)
          if (list.length === 0) expect(way).toBeUndefined();
          else expect(way!.error.mean).toBe(mean(list) / 8);
      }
      expect(miniatureTable(runsOf(students)).trimEnd().split("\n")).toHaveLength(2 + students.length);
    }),
  ));

test("a student is on the front exactly if no point is smaller and as good, or better and as small, than one of its own", () =>
  fc.assert(
    fc.property(grid, (students) => {
      const points = students.flatMap(({ parameters, alone, taught }, i) =>
        [alone, taught].filter((list) => list.length > 0).map((list) => ({ i, parameters, error: mean(list) })),
      );
      const beats = (a: (typeof points)[number], b: (typeof points)[number]): boolean =>
        a.parameters <= b.parameters && a.error <= b.error && (a.parameters < b.parameters || a.error < b.error);
      const best = points.filter((point) => !points.some((other) => beats(other, point)));
      const front = frontOf(studentsOf(runsOf(students)));
      // Of equal points one is kept, so the front has each of the best pairs of cost and error once.
      const pair = ({ parameters, error }: { parameters: number; error: number }): string => `${parameters} ${error}`;
      const shown = new Set(front.map(({ network }) => Number(network.convolution.split("_")[1]) - 1));
      for (const i of shown) expect(best.some((point) => point.i === i)).toBe(true);
      expect(new Set(best.filter(({ i }) => shown.has(i)).map(pair))).toEqual(new Set(best.map(pair)));
    }),
  ));

test("students stand in one size exactly if no step between their parameters is larger than a fifth, the best first", () =>
  fc.assert(
    fc.property(grid, (students) => {
      const runs = runsOf(students);
      const sizes = sizesOf(studentsOf(runs));
      expect(sizes.flat().map(({ network }) => network.convolution)).toHaveLength(students.length);
      for (const [i, members] of sizes.entries()) {
        const parameters = members.map(({ network }) => network.parameters).toSorted((a, b) => b - a);
        for (const [k, larger] of parameters.slice(0, -1).entries()) expect(larger).toBeLessThanOrEqual(1.2 * parameters[k + 1]!);
        const next = sizes[i + 1]?.map(({ network }) => network.parameters);
        if (next !== undefined) expect(parameters.at(-1)).toBeGreaterThan(1.2 * Math.max(...next));
        const best = members.map(({ alone, taught }) => Math.min(alone?.error.mean ?? Infinity, taught?.error.mean ?? Infinity));
        expect(best).toEqual(best.toSorted((a, b) => a - b));
      }
      // A mark has a tip with its name and its error, and so has no row without a run.
      const svg = sizePlot(runs);
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
      for (const [i, { alone, taught }] of students.entries())
        for (const [list, name] of [
          [alone, `Shuffle_${i + 1}`],
          [taught, `Shuffle_${i + 1} + AT`],
        ] as const)
          expect(svg.includes(`<title>${name}: `)).toBe(list.length > 0);
    }),
  ));
