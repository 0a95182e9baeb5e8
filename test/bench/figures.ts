/** Formats the JSON of measurements as Markdown, for the tables of docs/benchmarks.md. No figure there is typed by hand. */

import { markdownTable } from "../../docs/.vitepress/figures/markdown-tables.ts";
import { formatMachine, type Machine } from "../../src/bench/machine.ts";
import type { BenchmarkRow, StepRatios } from "../../src/bench/run-benchmark.ts";
import type { StructuredRow, Times } from "../../src/bench/structured-benchmark.ts";
import { formatMegabytes } from "../../src/cli/format.ts";
import type { ComparisonRow } from "./peers/compare.ts";
import type { TorchDocument } from "./torch/document.ts";

/** The output of `separable bench --json`. */
export type BenchDocument = readonly (BenchmarkRow & StepRatios & { readonly machine: Machine })[];

/** The output of `npm run bench:peers -- --json`. */
export interface PeersDocument {
  readonly date: string;
  readonly threads: number;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly ComparisonRow[];
}

/** The output of `separable bench --structured --json`. */
export type StructuredDocument = readonly (StructuredRow & { readonly machine: Machine })[];

export interface Figures {
  readonly bench: BenchDocument;
  readonly peers: PeersDocument | undefined;
  readonly date: string;
  /** The circumstances of the measurement that a reader must know, such as other load on the machine. */
  readonly note: string;
}

/** Three digits, without an exponent. */
const ratio = (value: number): string => (value < 1000 ? value.toPrecision(3) : Math.round(value).toLocaleString("en-US"));
const milliseconds = (ms: number): string => (ms < 10 ? ms.toFixed(2) : ms < 1000 ? ms.toFixed(1) : Math.round(ms).toLocaleString("en-US"));

const rateOf = ({ gflops, gigabytesPerSecond }: { readonly gflops: number; readonly gigabytesPerSecond?: number }): string =>
  gflops > 0 ? `${gflops.toFixed(1)} GFLOP/s` : gigabytesPerSecond === undefined ? "" : `${gigabytesPerSecond.toFixed(1)} GB/s`;

function benchTable(rows: BenchDocument): string {
  const ratios = rows.some(({ overConv, overSep }) => overConv !== undefined || overSep !== undefined);
  const cells = rows.map((row) => {
    const alone = rows.find(({ name, backend, threads }) => name === row.name && backend === row.backend && threads === 1);
    const gain = row.threads === 1 || alone === undefined ? "" : `${(alone.ms / row.ms).toFixed(2)} ×`;
    return [
      ...[row.name, row.backend, String(row.threads), milliseconds(row.ms), rateOf(row), gain, formatMegabytes(row.peakBytes)],
      ...(ratios ? [millions(row.multiplyAdds), over(row.overConv), over(row.overSep)] : []),
    ];
  });
  const header = ["benchmark", "backend", "threads", "ms", "rate", "against one thread", "peak memory"];
  return markdownTable([...header, ...(ratios ? ["multiply-adds", "over `Conv`", "over `Sep`"] : [])], cells);
}

const millions = (count: number): string => (count === 0 ? "" : `${(count / 1e6).toFixed(1)} M`);

const over = (ratio: number | undefined): string => (ratio === undefined ? "" : `${ratio.toFixed(2)} ×`);

/** A row for each benchmark and number of threads. The ratio is our time divided by that of PyTorch, with its extremes over the rounds. */
export function torchMarkdown({ date, machine, torch, rounds, rows }: TorchDocument, note: string): string {
  const cells = rows.map(({ name, threads, ours, other }) => [
    name,
    String(threads),
    milliseconds(ours.medianMs),
    "error" in other ? "–" : milliseconds(other.timing.medianMs),
    "error" in other ? "–" : `${other.ratio.median.toFixed(2)} (${other.ratio.min.toFixed(2)}–${other.ratio.max.toFixed(2)})`,
  ]);
  const { simd, version, instructions } = machine;
  return [
    `Measured ${date} on ${formatMachine(machine)}; ${instructions.join(", ")}. separable ${version}, SIMD: ${simd}. ` +
      `PyTorch ${torch.torch} on ${torch.capability}, ${torch.oneDNN ? "with" : "without"} oneDNN. Medians of ${rounds} rounds. ${note}\n`,
    markdownTable(["benchmark", "threads", "separable, ms", "PyTorch, ms", "separable / PyTorch"], cells),
  ].join("\n");
}

function peersTable({ rows, versions }: PeersDocument): string {
  const [ours, ...others] = Object.keys(versions);
  const names = [...new Set(rows.map(({ name }) => name))];
  const cell = (name: string, contender: string): string => {
    const row = rows.find((candidate) => candidate.name === name && candidate.contender === contender);
    if (row === undefined) return "";
    if (!("ms" in row)) return "error" in row ? "cannot" : "skipped";
    return contender === ours ? `${milliseconds(row.ms)} (${rateOf(row) || "–"})` : `${milliseconds(row.ms)} (${ratio(row.ratio)} ×)`;
  };
  const header = ["benchmark, ms", ...[ours!, ...others].map((name) => `${name} ${versions[name]}`)];
  const errors = rows.flatMap((row) => ("error" in row ? [`- ${row.contender} cannot do ${row.name}: ${row.error}\n`] : []));
  return `${markdownTable(
    header,
    names.map((name) => [name, ...[ours!, ...others].map((contender) => cell(name, contender))]),
  )}\n${errors.join("")}`;
}

export function figuresMarkdown({ bench, peers, date, note }: Figures): string {
  const machine = peers?.machine ?? bench[0]?.machine;
  const parts = [`Measured ${date}${machine === undefined ? "" : ` on ${formatMachine(machine)}; SIMD: ${machine.simd}`}. ${note}\n`];
  if (bench.length > 0) parts.push("### `separable bench`\n", benchTable(bench));
  if (peers !== undefined)
    parts.push(
      "### `npm run bench:peers`\n",
      "Every library uses one thread. The number in brackets is its time divided by that of separable: above 1 × it is slower.\n",
      peersTable(peers),
    );
  return parts.join("\n");
}

const shapeOf = ({ inChannels, outChannels, size, batch }: StructuredRow): string =>
  `${inChannels} → ${outChannels} at ${size}², batch ${batch}`;

const overSep = ({ times: { auto, sep } }: StructuredRow, part: keyof Times): number => auto[part] / sep[part];

/**
 * A row for each build and shape, about the convolutions that execute less than half of the dense map's multiply-adds: how many there are, for
 * how many `auto` is faster than `Sep`, the median of the ratio, and the convolution with the largest one.
 */
export function structuredBuildsMarkdown(builds: Readonly<Record<string, StructuredDocument>>): string {
  const cells = Object.entries(builds).flatMap(([build, rows]) =>
    [...new Set(rows.map(shapeOf))].map((shape) => {
      const few = rows.filter((row) => shapeOf(row) === shape && row.share < 0.5);
      const of = (part: keyof Times): string[] => {
        const ratios = few.map((row) => overSep(row, part)).toSorted((a, b) => a - b);
        const [middle, largest] = [ratios[ratios.length >> 1]!, ratios.at(-1)!];
        const worst = few.find((row) => overSep(row, part) === largest)!.convolution;
        return [`${ratios.filter((ratio) => ratio < 1).length}`, middle.toFixed(2), `${largest.toFixed(2)} (${worst})`];
      };
      return [build, shape, String(few.length), ...of("forward"), ...of("forwardBackward")];
    }),
  );
  const both = ["faster", "median", "largest"];
  const header = ["build", "convolution", "below half", ...both.map((name) => `${name}, forward`), ...both.map((name) => `${name}, both`)];
  return markdownTable(header, cells);
}

/** One table for each shape, its convolutions by rising share of multiply-adds. */
export function structuredMarkdown(rows: StructuredDocument, date: string, note: string): string {
  const machine = rows[0]?.machine;
  const parts = [
    `Measured ${date}${machine === undefined ? "" : ` on ${formatMachine(machine)}, ${rows[0]!.threads} thread(s)`}. ${note}\n`,
  ];
  const both = (times: Times | null): string =>
    times === null ? "–" : `${milliseconds(times.forward)} / ${milliseconds(times.forwardBackward)}`;
  const columns = (count: number | null | undefined): string => (count === undefined ? "–" : count === null ? "never" : String(count));
  const shapes = new Set(rows.map(shapeOf));
  for (const shape of shapes) {
    const cells = rows
      .filter((row) => shapeOf(row) === shape)
      .toSorted((a, b) => a.share - b.share)
      .map(({ convolution, share, throughput, times, auto, crossover }) => [
        convolution,
        `${(100 * share).toFixed(1)} %`,
        ...[times.sep, times.factorized, times.dense, times.auto].map(both),
        `${(times.auto.forward / times.sep.forward).toFixed(2)} / ${(times.auto.forwardBackward / times.sep.forwardBackward).toFixed(2)}`,
        auto.path,
        throughput === null ? "–" : throughput.toFixed(2),
        `${columns(crossover?.predicted)} / ${columns(crossover?.measured)}`,
      ]);
    const header = [
      "convolution",
      "multiply-adds",
      "`Sep`, ms",
      "factorized",
      "dense",
      "auto",
      "auto over `Sep`",
      "auto takes",
      "φ",
      "crossover",
    ];
    parts.push(`### ${shape}\n`, markdownTable(header, cells));
  }
  return parts.join("\n");
}
