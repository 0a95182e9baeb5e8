/** The plot of the miniature by size: a row for each network, so that networks with about as many parameters stand side by side. */

import { formatMagnitude, formatShare, linear } from "../../src/report/axes.ts";
import type { Configuration } from "../../src/report/configurations.ts";
import { type Look, mark } from "../../src/report/families.ts";
import { namesAmong } from "../../src/report/names.ts";
import type { ReportRun } from "../../src/report/report-run.ts";
import { formatEstimate } from "../../src/report/statistics.ts";
import { element, escaped, label, picture } from "../../src/report/svg.ts";
import { kindIn } from "../../src/structured/convolution-name.ts";
import { type Student, studentsOf } from "./students.ts";

/** What the marks tell apart. The families of the paper are those of its results. */
const groups = [
  { title: "no structured map", look: { colour: "#59636e", shape: "square" }, has: /^(Conv|Sep)$/ },
  {
    title: "a family of the paper",
    look: { colour: "#0072b2", shape: "circle" },
    has: /ACDC|Hashed|^(TensorTrain|Tucker|CP|Shuffle|Generic|LR)$/,
  },
  { title: "a newer family", look: { colour: "#d55e00", shape: "diamond" }, has: /./ },
] as const satisfies readonly { title: string; look: Look; has: RegExp }[];
const lookOf = (convolution: string): Look => groups.find(({ has }) => has.test(kindIn(convolution)))!.look;

/** Networks belong to one size if each has at most this many times the parameters of the next smaller one. */
const nextSize = 1.2;

const [nameWidth, plotWidth, sizeWidth, rowHeight, gap, top] = [170, 500, 80, 19, 14, 62];
const [left, right, radius] = [nameWidth, nameWidth + plotWidth, 5];

/** The students of each size, the best first. The largest size comes first. */
export function sizesOf(students: readonly Student[]): Student[][] {
  const sizes: Student[][] = [];
  for (const student of students.toSorted((a, b) => b.network.parameters - a.network.parameters)) {
    const smallest = sizes.at(-1)?.at(-1)?.network.parameters;
    if (smallest !== undefined && smallest <= nextSize * student.network.parameters) sizes.at(-1)!.push(student);
    else sizes.push([student]);
  }
  const best = ({ alone, taught }: Student): number => Math.min(...[alone, taught].flatMap((each) => each?.error.mean ?? []));
  return sizes.map((members) => members.toSorted((a, b) => best(a) - best(b)));
}

/** The plot as an SVG document. @param runs At least one that is finished and tested. */
export function sizePlot(runs: readonly ReportRun[]): string {
  const sizes = sizesOf(studentsOf(runs));
  const rows = sizes.flatMap((members, size) => members.map((student) => ({ student, size })));
  const configurations = rows.flatMap(({ student: { alone, taught } }) => [alone, taught].filter((each) => each !== undefined));
  const names = namesAmong(configurations);
  const x = linear(
    configurations.flatMap(({ error: { mean, std = 0 } }) => [mean - std, mean + std]),
    left,
    right,
  );
  const bottom = top + rows.length * rowHeight + (sizes.length - 1) * gap;
  const grid = x.ticks(8).map((tick) => {
    const line = element("path", { d: `M${x(tick)} ${top - 6}V${bottom}`, class: "grid" });
    return line + label(formatShare(tick, 0), x(tick), top - 12, { size: 11, anchor: "middle", className: "soft" });
  });
  const drawn = rows.map(({ student, size }, i) => {
    const y = top + (i + 0.5) * rowHeight + size * gap;
    const { network, alone, taught } = student;
    const join = alone && taught && gainLine(x(alone.error.mean), x(taught.error.mean), y);
    const marks = [alone, taught].flatMap((each) => (each === undefined ? [] : [markOf(each, names.configuration(each), x, y)]));
    const written = label(names.network(network), left - 10, y + 4, { size: 11.5, anchor: "end" });
    const count = label(formatMagnitude(network.parameters), right + sizeWidth - 12, y + 4, { size: 11, anchor: "end", className: "soft" });
    return [written, join ?? "", ...marks, count].join("");
  });
  return picture(
    {
      width: right + sizeWidth,
      height: bottom + 12,
      title: "Test error of networks of about the same size",
      description: configurations.map((each) => `${names.configuration(each)}: ${formatEstimate(each.error)}`).join("; "),
    },
    ...legend(),
    label("test error", left + plotWidth / 2, top - 28, { size: 11.5, anchor: "middle" }),
    label("parameters", right + sizeWidth - 12, top - 12, { size: 11, anchor: "end", className: "soft" }),
    ...grid,
    ...drawn,
  );
}

/** The line from the mark of the network from scratch to that of the taught one. It is empty where the marks touch. */
function gainLine(alone: number, taught: number, y: number): string {
  const inwards = Math.sign(taught - alone) * (radius + 1);
  const touch = Math.abs(taught - alone) <= 2 * Math.abs(inwards);
  return touch ? "" : element("path", { d: `M${alone + inwards} ${y}H${taught - inwards}`, class: "leader" });
}

/** The mark at the mean, and for several seeds a bar of one standard deviation to either side. */
function markOf({ convolution, teacher, error }: Configuration, name: string, x: (error: number) => number, y: number): string {
  const look = lookOf(convolution);
  const { mean, std } = error;
  const bar =
    std === undefined ? "" : element("path", { d: `M${x(mean - std)} ${y}H${x(mean + std)}`, stroke: look.colour, "stroke-width": 2.5 });
  const tip = element("title", {}, escaped(`${name}: ${formatEstimate(error)}`));
  return element("g", {}, tip, bar, mark(look, x(mean), y, teacher !== undefined, radius));
}

function legend(): string[] {
  const grey: Look = { colour: "#7f7f7f", shape: "circle" };
  const items = [
    ...groups.map(({ title, look }) => ({ title, drawing: (at: number) => mark(look, at, 12, true, radius) })),
    { title: "from scratch", drawing: (at: number) => mark(grey, at, 12, false, radius) },
    { title: "with a teacher", drawing: (at: number) => mark(grey, at, 12, true, radius) },
  ];
  return items.map(({ title, drawing }, i) => drawing(20 + 148 * i) + label(title, 32 + 148 * i, 16, { size: 11.5 }));
}
