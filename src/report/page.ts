/** The report: one HTML page without references to other files. */

import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatMagnitude, formatShare } from "./axes.ts";
import { classErrorTable, confusionTable } from "./class-tables.ts";
import { type Configuration, configurationsOf, groupBySeed } from "./configurations.ts";
import { type Look, looksOf, mark, titleOf } from "./families.ts";
import { asShare, type CurveOptions, learningCurves, testError } from "./learning-curves.ts";
import { type Names, namesAmong } from "./names.ts";
import { pageScript } from "./page-script.ts";
import { pageStyle } from "./page-style.ts";
import { paretoFront } from "./pareto-front.ts";
import { dataUri, picturePng } from "./picture-png.ts";
import { narrow, type PlotSize, wide } from "./plot-size.ts";
import { publishedPoints } from "./published-points.ts";
import type { ReportPicture, ReportRun } from "./report-run.ts";
import { type Cost, costsOf, scatterPlot } from "./scatter-plot.ts";
import { estimate, formatEstimate, formatSeeds } from "./statistics.ts";
import { element, escaped } from "./svg.ts";
import { count, numeric, scrolled, sortableTable, words } from "./tables.ts";

export interface ReportOptions {
  /** Default: "Structured networks compared". */
  readonly title?: string | undefined;
  /** Whether the plots show the paper's published results, too. Default: false. */
  readonly published?: boolean | undefined;
}

/** The names of `ReportOptions`. */
export const reportOptions: OptionNames = optionNames<ReportOptions>({ title: true, published: true });

/** A plot of the report. */
export interface Plot {
  /** The file's name without extension. */
  readonly name: string;
  readonly caption: string;
  /** The plot for wide screens, and for a file of its own. */
  readonly svg: string;
  /** The plot for phones. */
  readonly narrowSvg: string;
  /** What the horizontal axis shows, for a plot of error against cost. */
  readonly cost: Cost | undefined;
}

const scatterNames: Readonly<Record<Cost, { readonly name: string; readonly caption: string }>> = {
  parameters: { name: "error-parameters", caption: "Test error against parameters." },
  paperMultAdds: { name: "error-mult-adds", caption: "Test error against multiply-adds, counted by the paper's convention." },
  multAdds: { name: "error-executed", caption: "Test error against the multiply-adds that this library executes." },
  milliseconds: { name: "error-milliseconds", caption: "Test error against the time of a training step on the machine of this report." },
};

const scatterLegend =
  "The dashed line is the Pareto front. A mark is the mean over the seeds, a bar one standard deviation to either side, " +
  "and a dot one seed.";

/** Every plot of a report. */
export function plotsOf(runs: readonly ReportRun[], options: ReportOptions = {}): Plot[] {
  checkOptions("plotsOf", options, reportOptions);
  const { published = false } = options;
  const configurations = configurationsOf(runs);
  const looks = looksOf(runs.map(({ convolution }) => convolution));
  const overlay = published ? publishedPoints : undefined;
  const scatter = (cost: Cost): Plot => {
    const draw = (size: PlotSize): string => scatterPlot(configurations, { cost, looks, size, published: overlay });
    const { name, caption } = scatterNames[cost];
    return { name, caption: `${caption} ${scatterLegend}`, svg: draw(wide), narrowSvg: draw(narrow), cost };
  };
  const curves = (name: string, options: Omit<CurveOptions, "looks" | "size">): Plot[] => {
    const draw = (size: PlotSize): string | undefined => learningCurves(runs, { ...options, looks, size });
    const svg = draw(wide);
    const caption =
      `${options.title} by epoch, as the mean over the seeds; thin lines are single seeds. Runs with a teacher have solid lines, ` +
      "and the others have dashed ones.";
    return svg === undefined ? [] : [{ name, caption, svg, narrowSvg: draw(narrow)!, cost: undefined }];
  };
  return [
    ...(configurations.length === 0 ? [] : costsOf(configurations).map(scatter)),
    ...curves("test-error", { title: "Test error", value: testError, format: asShare }),
    ...curves("train-loss", { title: "Training loss", value: ({ trainLoss }) => trainLoss, format: (loss) => loss.toFixed(2) }),
  ];
}

/** The report as an HTML document. */
export function renderReport(runs: readonly ReportRun[], options: ReportOptions = {}): string {
  checkOptions("renderReport", options, reportOptions);
  const { title = "Structured networks compared" } = options;
  const configurations = configurationsOf(runs);
  const looks = looksOf(runs.map(({ convolution }) => convolution));
  const names = namesAmong(runs);
  const best = configurations.toSorted((a, b) => a.error.mean - b.error.mean)[0];
  const plots = plotsOf(runs, options);
  const classRows = groupBySeed(runs).map((members) => ({ name: names.configuration(members[0]!), runs: members }));
  const errors = classErrorTable(classRows);
  const confusion = best && confusionTable(best.runs);
  const section = (heading: string, content: string | undefined): string =>
    content === undefined || content === "" ? "" : `<section><h2>${heading}</h2>${content}</section>`;
  const scatters = plots.filter(({ cost }) => cost !== undefined);
  return [
    "<!doctype html>",
    `<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">`,
    `<title>${escaped(title)}</title><style>${pageStyle}</style></head><body><main>`,
    `<h1>${escaped(title)}</h1>`,
    `<p class="lead">${summary(runs, configurations, best, names)}</p>`,
    section("Test error against cost", scatters.length === 0 ? undefined : legend(looks, options.published ?? false) + switched(scatters)),
    section("Pareto front of parameters and test error", frontTable(configurations)),
    section(
      "Learning curves",
      plots
        .filter(({ cost }) => cost === undefined)
        .map(figure)
        .join(""),
    ),
    section("All configurations", configurationTable(configurations)),
    section("All runs", runTable(runs)),
    section("Test error by class", errors && scrolled(errors)),
    section(best ? `Confusion matrix of ${escaped(names.configuration(best))}` : "", confusion && scrolled(confusion)),
    section("Attention maps and filters", gallery(runs, names.run)),
    `</main><script>${pageScript}</script></body></html>`,
  ].join("\n");
}

function summary(
  runs: readonly ReportRun[],
  configurations: readonly Configuration[],
  best: Configuration | undefined,
  names: Names,
): string {
  const sets = [...new Set(runs.map(({ data }) => data))].join(", ");
  const counted = `${runs.length} ${runs.length === 1 ? "run" : "runs"} on ${escaped(sets)}`;
  if (best === undefined) return `${counted}. No run is finished and tested.`;
  const least = configurations.toSorted((a, b) => a.parameters - b.parameters)[0]!;
  const named = (configuration: Configuration): string =>
    `<b>${escaped(names.configuration(configuration))}</b> with ${count(configuration.parameters)} parameters and a test error of ` +
    `${formatEstimate(configuration.error)} (${formatSeeds(configuration.error.seeds)})`;
  const statistic = configurations.some(({ error }) => error.seeds > 1)
    ? " Errors are those after the last epoch: the mean over the seeds ± one standard deviation."
    : " Errors are those after the last epoch, of one seed each: nothing is known of their spread.";
  return `${counted}. Smallest error: ${named(best)}. Smallest network: ${named(least)}.${statistic}`;
}

/** A figure with both sizes of a plot. The style sheet shows one of them. */
const figure = ({ caption, svg, narrowSvg, cost }: Plot): string =>
  `<figure${cost === undefined ? "" : ` data-cost="${cost}"`}><div class="wide">${svg}</div><div class="narrow">${narrowSvg}</div>` +
  `<figcaption>${escaped(caption)}</figcaption></figure>`;

const switchNames: Readonly<Record<Cost, string>> = {
  parameters: "parameters",
  paperMultAdds: "multiply-adds (paper)",
  multAdds: "multiply-adds (executed)",
  milliseconds: "milliseconds of a step",
};

/** One chart with a switch between its costs. The style sheet hides the figures that are not chosen. */
function switched(plots: readonly Plot[]): string {
  const choices = plots.map(
    ({ cost }, i) =>
      `<label><input type="radio" name="cost" value="${cost}"${i === 0 ? " checked" : ""}>${escaped(switchNames[cost!])}</label>`,
  );
  return `<div class="chart"><fieldset class="switch"><legend>Cost</legend>${choices.join("")}</fieldset>${plots.map(figure).join("")}</div>`;
}

const costColumns: Readonly<Record<Cost, { readonly heading: string; readonly format: (value: number) => string }>> = {
  parameters: { heading: "Parameters", format: count },
  paperMultAdds: { heading: "Mult-adds (paper)", format: formatMagnitude },
  multAdds: { heading: "Mult-adds (here)", format: formatMagnitude },
  milliseconds: { heading: "Step, ms", format: (value) => value.toFixed(1) },
};
const costHeadings = (shown: readonly Cost[]): string[] => shown.map((cost) => costColumns[cost].heading);
const costCells = (configuration: Configuration, shown: readonly Cost[]) =>
  shown.map((cost) => numeric(configuration[cost], costColumns[cost].format));
const errorCell = ({ error }: Configuration) => ({ text: formatEstimate(error, 2), value: error.mean });

function frontTable(configurations: readonly Configuration[]): string | undefined {
  if (configurations.length === 0) return undefined;
  const shown = costsOf(configurations);
  const front = paretoFront(
    configurations.map((configuration) => ({ cost: configuration.parameters, error: configuration.error.mean, configuration })),
  );
  const largest = configurations.reduce((most, { parameters }) => Math.max(most, parameters), 0);
  const rows = front.map(({ configuration }) => [
    words(configuration.convolution),
    words(configuration.network),
    words(configuration.teacher ?? "–"),
    ...costCells(configuration, shown),
    numeric(configuration.parameters / largest, (share) => formatShare(share, 0)),
    errorCell(configuration),
    numeric(configuration.error.seeds, count),
  ]);
  return sortableTable(["Convolution", "Network", "Teacher", ...costHeadings(shown), "Of the largest", "Test error", "Seeds"], rows);
}

/** One row for each configuration, with the statistic of the report. */
function configurationTable(configurations: readonly Configuration[]): string | undefined {
  if (configurations.length === 0) return undefined;
  const shown = costsOf(configurations);
  const rows = configurations
    .toSorted((a, b) => a.error.mean - b.error.mean)
    .map((configuration) => {
      const { runs, convolution, network, teacher, error } = configuration;
      const meanOf = (of: (run: ReportRun) => number): number => estimate(runs.map(of)).mean;
      return [
        words(convolution),
        words(network),
        words(teacher ?? "–"),
        ...costCells(configuration, shown),
        errorCell(configuration),
        numeric(error.seeds, count),
        numeric(
          meanOf((run) => run.epochs.at(-1)?.trainLoss ?? Number.NaN),
          (loss) => loss.toFixed(3),
        ),
        numeric(
          meanOf(({ seconds }) => seconds),
          (seconds) => `${(seconds / 60).toFixed(1)} min`,
        ),
      ];
    });
  return sortableTable(["Convolution", "Network", "Teacher", ...costHeadings(shown), "Test error", "Seeds", "Training loss", "Time"], rows);
}

/** One row for each run, folded away: the single seeds, and the runs that are unfinished or untested. */
function runTable(runs: readonly ReportRun[]): string {
  const rows = runs.map((run) => [
    words(run.name),
    words(run.finished ? run.convolution : `${run.convolution} (unfinished)`),
    words(run.network),
    words(run.teacher ?? "–"),
    numeric(run.seed, String),
    numeric(run.error, (share) => formatShare(share, 2)),
    numeric(run.epochs.at(-1)?.trainLoss, (loss) => loss.toFixed(3)),
    numeric(run.epochs.length, count),
    numeric(run.seconds, (seconds) => `${(seconds / 60).toFixed(1)} min`),
  ]);
  const columns = ["Run", "Convolution", "Network", "Teacher", "Seed", "Test error", "Training loss", "Epochs", "Time"];
  const many = `${runs.length} ${runs.length === 1 ? "run" : "runs"}, one row for each`;
  return `<details><summary>${many}</summary>${sortableTable(columns, rows)}</details>`;
}

function legend(looks: ReadonlyMap<string, Look>, published: boolean): string {
  const item = (drawing: string, text: string): string =>
    `<li>${element("svg", { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" }, drawing)}${escaped(text)}</li>`;
  const families = [...looks].map(([name, look]) => item(mark(look, 8, 8, true), titleOf(name)));
  const grey: Look = { colour: "#7f7f7f", shape: "circle" };
  const teaching = [item(mark(grey, 8, 8, true), "filled: with a teacher"), item(mark(grey, 8, 8, false), "hollow: without a teacher")];
  const cross = element("path", { d: "M4 4L12 12M4 12L12 4", stroke: "#8b949e", "stroke-width": 1.6 });
  const paper = published ? [item(cross, "cross: published results of WRN-28-10 with a teacher")] : [];
  return `<ul class="legend">${[...families, ...teaching, ...paper].join("")}</ul>`;
}

/** The pictures of every run. Those of the first run are visible, and the others are folded away. */
function gallery(runs: readonly ReportRun[], nameOfRun: (run: ReportRun) => string): string {
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
        `<details${i === 0 ? " open" : ""}><summary>${escaped(nameOfRun(run))}</summary>` +
        `<div class="pictures">${run.pictures.map(shown).join("")}</div></details>`,
    )
    .join("");
}
