/** The report: one HTML page without references to other files. */

import { maximumOf } from "../core/extremes.ts";
import { formatMagnitude, formatShare } from "./axes.ts";
import { classErrorTable, confusionTable } from "./class-tables.ts";
import { type Configuration, configurationsOf } from "./configurations.ts";
import { type Look, looksOf, mark } from "./families.ts";
import { asShare, learningCurves, testError } from "./learning-curves.ts";
import { pageStyle } from "./page-style.ts";
import { paretoFront } from "./pareto-front.ts";
import { dataUri, picturePng } from "./picture-png.ts";
import { publishedPoints } from "./published-points.ts";
import type { ReportPicture, ReportRun } from "./report-run.ts";
import { nameOf, type ScatterOptions, scatterPlot } from "./scatter-plot.ts";
import { element, escaped } from "./svg.ts";

export interface ReportOptions {
  /** Default: "Structured networks compared". */
  readonly title?: string | undefined;
  /** Whether the plots show the paper's published results, too. Default: false. */
  readonly published?: boolean | undefined;
}

/** A plot of the report. */
export interface Plot {
  /** The file's name without extension. */
  readonly name: string;
  readonly caption: string;
  readonly svg: string;
}

/** Every plot of a report. */
export function plotsOf(runs: readonly ReportRun[], { published = false }: ReportOptions): Plot[] {
  const configurations = configurationsOf(runs);
  const looks = looksOf(runs.map(({ convolution }) => convolution));
  const overlay = published ? publishedPoints : undefined;
  const scatter = (name: string, cost: ScatterOptions["cost"], caption: string): Plot[] =>
    configurations.length === 0 ? [] : [{ name, caption, svg: scatterPlot(configurations, { cost, looks, published: overlay }) }];
  const curves = (name: string, options: Omit<Parameters<typeof learningCurves>[1], "looks">): Plot[] => {
    const svg = learningCurves(runs, { ...options, looks });
    return svg === undefined
      ? []
      : [{ name, caption: `${options.title} by epoch. Runs with a teacher have solid lines, and the others have dashed ones.`, svg }];
  };
  return [
    ...scatter("error-parameters", "parameters", "Test error against parameters. The dashed line is the Pareto front."),
    ...scatter("error-mult-adds", "paperMultAdds", "Test error against multiply-adds, counted by the paper's convention."),
    ...scatter("error-executed", "multAdds", "Test error against the multiply-adds that this library executes."),
    ...curves("test-error", { title: "Test error", value: testError, format: asShare }),
    ...curves("train-loss", { title: "Training loss", value: ({ trainLoss }) => trainLoss, format: (loss) => loss.toFixed(2) }),
  ];
}

/** The report as an HTML document. */
export function renderReport(runs: readonly ReportRun[], options: ReportOptions = {}): string {
  const { title = "Structured networks compared" } = options;
  const configurations = configurationsOf(runs);
  const looks = looksOf(runs.map(({ convolution }) => convolution));
  const best = runs.filter(({ error, finished }) => finished && error !== undefined).toSorted((a, b) => a.error! - b.error!)[0];
  const figures = plotsOf(runs, options).map(({ caption, svg }) => `<figure>${svg}<figcaption>${escaped(caption)}</figcaption></figure>`);
  const errors = classErrorTable(runs);
  const confusion = best && confusionTable(best);
  const section = (heading: string, content: string | undefined): string =>
    content === undefined || content === "" ? "" : `<section><h2>${heading}</h2>${content}</section>`;
  return [
    "<!doctype html>",
    `<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">`,
    `<title>${escaped(title)}</title><style>${pageStyle}</style></head><body><main>`,
    `<h1>${escaped(title)}</h1>`,
    `<p class="lead">${summary(runs, configurations, best)}</p>`,
    section("Pareto front of parameters and test error", frontTable(configurations)),
    section(
      "Test error against cost",
      configurations.length === 0 ? undefined : legend(looks, options.published ?? false) + figures.slice(0, 3).join(""),
    ),
    section("Learning curves", figures.slice(configurations.length === 0 ? 0 : 3).join("")),
    section("All runs", runTable(runs)),
    section("Test error by class", errors && scrolled(errors)),
    section(best ? `Confusion matrix of ${escaped(nameOf(best))}` : "", confusion && scrolled(confusion)),
    section("Attention maps and filters", gallery(runs)),
    "</main></body></html>",
  ].join("\n");
}

function summary(runs: readonly ReportRun[], configurations: readonly Configuration[], best: ReportRun | undefined): string {
  const sets = [...new Set(runs.map(({ data }) => data))].join(", ");
  const counted = `${runs.length} ${runs.length === 1 ? "run" : "runs"} on ${escaped(sets)}`;
  if (best === undefined) return `${counted}. No run is finished and tested.`;
  const least = configurations.toSorted((a, b) => a.parameters - b.parameters)[0]!;
  const named = (run: Pick<Configuration, "convolution" | "teacher" | "parameters">, error: number): string =>
    `<b>${escaped(nameOf(run))}</b> with ${run.parameters.toLocaleString("en-US")} parameters and a test error of ${formatShare(error)}`;
  return `${counted}. Smallest error: ${named(best, best.error!)}. Smallest network: ${named(least, least.error)}.`;
}

const scrolled = (table: string): string => `<div class="scroll">${table}</div>`;

function frontTable(configurations: readonly Configuration[]): string | undefined {
  if (configurations.length === 0) return undefined;
  const front = paretoFront(
    configurations.map((configuration) => ({ cost: configuration.parameters, error: configuration.error, configuration })),
  );
  const largest = maximumOf(configurations.map(({ parameters }) => parameters));
  const rows = front.map(({ configuration: { network, parameters, paperMultAdds, multAdds, error, ...named } }) => {
    const cells = [
      parameters.toLocaleString("en-US"),
      formatShare(parameters / largest, 0),
      formatMagnitude(paperMultAdds),
      formatMagnitude(multAdds),
      formatShare(error),
    ];
    return tableRow(escaped(nameOf(named)), [network], cells);
  });
  const names = ["Convolution", "Network", "Parameters", "Of the largest", "Mult-adds (paper)", "Mult-adds (here)", "Test error"];
  return table(names, rows);
}

/** A row: its heading as markup, then words, then numbers. */
const tableRow = (heading: string, words: readonly string[], numbers: readonly (string | number)[]): string =>
  [
    `<tr><th scope="row">${heading}</th>`,
    ...words.map((word) => `<td class="word">${escaped(word)}</td>`),
    ...numbers.map((number) => `<td>${number}</td>`),
    "</tr>",
  ].join("");

const table = (columns: readonly string[], rows: readonly string[]): string => {
  const heads = columns.map((name) => `<th scope="col">${name}</th>`).join("");
  return scrolled(`<table><thead><tr>${heads}</tr></thead><tbody>${rows.join("")}</tbody></table>`);
};

function runTable(runs: readonly ReportRun[]): string {
  const rows = runs
    .toSorted((a, b) => (a.error ?? 1) - (b.error ?? 1))
    .map((run) => {
      const share = (value: number | undefined): string => (value === undefined ? "–" : formatShare(value, 2));
      const numbers = [run.seed, run.parameters.toLocaleString("en-US"), formatMagnitude(run.paperMultAdds), formatMagnitude(run.multAdds)];
      const results = [
        share(run.error),
        share(run.bestError),
        run.epochs.at(-1)?.trainLoss.toFixed(3) ?? "–",
        `${(run.seconds / 60).toFixed(1)} min`,
      ];
      const heading = `${escaped(run.convolution)}${run.finished ? "" : " (unfinished)"}`;
      return tableRow(heading, [run.network, run.teacher ?? "–"], [...numbers, ...results]);
    });
  const names = [
    "Convolution",
    "Network",
    "Teacher",
    "Seed",
    "Parameters",
    "Mult-adds (paper)",
    "Mult-adds (here)",
    "Test error",
    "Smallest test error",
    "Training loss",
    "Time",
  ];
  return table(names, rows);
}

function legend(looks: ReadonlyMap<string, Look>, published: boolean): string {
  const item = (drawing: string, text: string): string =>
    `<li>${element("svg", { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" }, drawing)}${escaped(text)}</li>`;
  const families = [...looks].map(([name, look]) => item(mark(look, 8, 8, true), name));
  const grey: Look = { colour: "#7f7f7f", shape: "circle" };
  const teaching = [item(mark(grey, 8, 8, true), "filled: with a teacher"), item(mark(grey, 8, 8, false), "hollow: without a teacher")];
  const cross = element("path", { d: "M4 4L12 12M4 12L12 4", stroke: "#8b949e", "stroke-width": 1.6 });
  const paper = published ? [item(cross, "cross: published results of WRN-28-10 with a teacher")] : [];
  return `<ul class="legend">${[...families, ...teaching, ...paper].join("")}</ul>`;
}

/** The pictures of every run. Those of the first run are visible, and the others are folded away. */
function gallery(runs: readonly ReportRun[]): string {
  const shown = (picture: ReportPicture): string => {
    const size = picture.kind === "filters" ? picture.width * 5 : 72;
    const alt = escaped(`${picture.kind}: ${picture.caption}`);
    return (
      `<figure class="${picture.kind}"><img src="${dataUri(picturePng(picture))}" width="${size}" alt="${alt}">` +
      `<figcaption>${escaped(picture.caption)}</figcaption></figure>`
    );
  };
  return runs
    .filter(({ pictures }) => pictures.length > 0)
    .map(
      (run, i) =>
        `<details${i === 0 ? " open" : ""}><summary>${escaped(run.name)}</summary>` +
        `<div class="pictures">${run.pictures.map(shown).join("")}</div></details>`,
    )
    .join("");
}
