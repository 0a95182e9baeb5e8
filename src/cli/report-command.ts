/** `separable report`: compares runs on a page with plots. */

import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Command } from "commander";
import { ConfigError, DataError } from "../core/errors.ts";
import { type ReadOptions, readText } from "../core/node/read-file.ts";
import { describeError } from "../core/node/system-error.ts";
import type { Dataset } from "../data/dataset.ts";
import { imageFacts } from "../experiment/data-facts.ts";
import { picturesOf } from "../experiment/node/run-pictures.ts";
import { describeBackend, startBackend } from "../experiment/node/start-backend.ts";
import { stepTimes, type TimedNetwork } from "../experiment/node/step-time.ts";
import { type OpenedRun, openRun, summarise } from "../experiment/node/sweep/run-summary.ts";
import { parseResults } from "../experiment/node/sweep/sweep-results.ts";
import { integer, path } from "../experiment/rules.ts";
import type { RunConfig } from "../experiment/run-config.ts";
import { isDataName } from "../experiment/setting-rules.ts";
import { networkOf } from "../experiment/settings.ts";
import { loadRasteriser } from "../report/node/rasterise.ts";
import { writeReport } from "../report/node/write-report.ts";
import type { ReportRun } from "../report/report-run.ts";
import { RunFolder } from "../train/node/run-folder.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { plural } from "./format.ts";
import { progressStyle, startJob } from "./progress.ts";
import { interruptible, type Terminal, writeJson, writeNote } from "./terminal.ts";
import { loadImagesWithProgress, type ProgressContext } from "./with-progress.ts";

interface ReportOptions {
  readonly out: string;
  readonly published?: boolean;
  readonly pictures: number;
  readonly title?: string;
  readonly time?: number;
  readonly json?: boolean;
  readonly progress: boolean;
}

export function reportCommand(command: Command, context: CommandContext): void {
  command
    .requiredOption("--out <folder>", "folder to write index.html, .svg and .png files to", argument("report", "--out", path))
    .option("--title <text>", "title of the page")
    .option("--published", "show the paper's points too")
    .option(
      "--pictures <n>",
      "test images for which the page shows the attention of each network",
      argument("report", "--pictures", integer({ least: 0, most: 10 })),
      3,
    )
    .option(
      "--time <images>",
      "measure a training step of each network on this machine, on so many images, and plot the errors against it",
      argument("report", "--time", integer({ least: 1, most: 65_536 })),
    )
    .option("--json", "print one JSON object to stdout")
    .option("--no-progress", "print no progress to stderr")
    .action((runs: string[], options: ReportOptions) => report(runs, options, context));
}

async function report(paths: readonly string[], options: ReportOptions, { terminal }: CommandContext): Promise<void> {
  const style = progressStyle(terminal.stderr, options.progress);
  // A missing package is reported before the runs are read, which takes minutes for large networks.
  await loadRasteriser("report");
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      const opened = await Promise.all((await Promise.all(paths.map((path) => runsIn(path, terminal)))).flat().map(openRun));
      const finished = opened.filter(({ metrics }) => metrics.length > 0);
      if (finished.length < opened.length)
        writeNote(terminal, `${plural(opened.length - finished.length, "run")} without a finished epoch left out`);
      if (finished.length === 0) throw new ConfigError(`report: needs a run with a finished epoch, got none in ${paths.join(", ")}`);
      const progress = { terminal, style, signal };
      const times = options.time === undefined ? undefined : await timesOf(finished, options.time, progress);
      const runs = (await toReportRuns(finished, options, progress)).map((run, i) => ({ ...run, milliseconds: times?.[i] }));
      const files = await writeReport(options.out, runs, { title: options.title, published: options.published });
      if (options.json) writeJson(terminal.stdout, { out: options.out, runs: runs.map(({ name }) => name), files });
      else
        terminal.stdout.write(
          `${plural(runs.length, "run")} in ${join(options.out, "index.html")}, and ${plural(files.length - 1, "file")} beside it\n`,
        );
    },
  );
}

/** The run folders that a path names: a run, all runs of a sweep, or the runs in a file of results. */
async function runsIn(path: string, terminal: Terminal): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) {
    const { results, note } = parseResults(await readText(path, reading), path);
    if (note !== undefined) writeNote(terminal, note);
    return results.map(({ run }) => run);
  }
  const entries = found === undefined ? [] : await namesIn(path);
  if (entries.includes("config.json") || !entries.includes("runs")) return [path];
  return (await namesIn(join(path, "runs"))).sort().map((name) => join(path, "runs", name));
}

/** What errors say of a path that cannot be read. */
const reading: ReadOptions = { op: "report", remedy: "name the folder of a run or of a sweep, or the results of a sweep" };

/** The names in a folder. @throws DataError for a folder that cannot be read. */
const namesIn = (path: string): Promise<string[]> =>
  readdir(path).catch((error: unknown) => {
    throw new DataError(`report: ${path} must be a folder that can be read, got ${describeError(error)}; ${reading.remedy}`, {
      cause: error,
    });
  });

/** The milliseconds of a training step of each run's network. Runs of one network share a measurement. */
async function timesOf(opened: readonly OpenedRun[], images: number, { terminal, style, signal }: ProgressContext): Promise<number[]> {
  const backend = await startBackend({ backend: "wasm" });
  writeNote(terminal, `a step of ${plural(images, "image")} is timed on ${describeBackend(backend)}`);
  const networks = opened.map(({ config }): TimedNetwork => {
    const { classes, size } = imageFacts(config);
    return { spec: networkOf(config.settings), classes: classes.length, size };
  });
  const keys = networks.map((network) => JSON.stringify(network));
  const distinct = [...new Set(keys)];
  const rounds = 3;
  const job = startJob(terminal.stderr, style, { label: "timing steps", total: rounds * distinct.length });
  try {
    const times = await stepTimes(
      distinct.map((key) => networks[keys.indexOf(key)]!),
      { images, rounds, signal, onTurn: (done) => job.update(done) },
    );
    return keys.map((key) => times[distinct.indexOf(key)]!);
  } finally {
    job.stop();
  }
}

async function toReportRuns(opened: readonly OpenedRun[], { pictures }: ReportOptions, progress: ProgressContext): Promise<ReportRun[]> {
  const { terminal, style, signal } = progress;
  const runs: ReportRun[] = [];
  const images = pictures === 0 ? undefined : imagesFor(progress);
  if (images) await startBackend({ backend: "wasm" });
  const job = startJob(terminal.stderr, style, { label: "reading runs", total: opened.length });
  try {
    for (const [i, run] of opened.entries()) {
      signal.throwIfAborted();
      const { teacher, testAccuracy, bestTestAccuracy, ...summary } = summarise(run);
      const folder = await RunFolder.open(run.path);
      for (const note of folder.notes) writeNote(terminal, note);
      const evaluation = await folder.evaluation();
      const dataset = await images?.(run.config);
      runs.push({
        ...summary,
        name: basename(run.path),
        teacher: teacher ?? undefined,
        error: testAccuracy === null ? undefined : 1 - testAccuracy,
        bestError: bestTestAccuracy === null ? undefined : 1 - bestTestAccuracy,
        finished: run.metrics.length >= run.config.settings.epochs,
        epochs: run.metrics,
        confusion: evaluation?.confusion,
        classes: evaluation?.classes ?? [],
        pictures: dataset === undefined ? [] : await picturesOf(run, dataset, pictures),
      });
      job.update(i + 1, { details: [basename(run.path)] });
    }
  } finally {
    job.stop();
  }
  return runs;
}

/** Loads the images of each data set once. Images that cannot be had give undefined, and a note. */
function imagesFor(progress: ProgressContext): (config: RunConfig) => Promise<Dataset | undefined> {
  const { terminal, signal } = progress;
  const loaded = new Map<string, Promise<Dataset | undefined>>();
  return (config) => {
    const { data, folder } = config.settings;
    const facts = isDataName(data) ? undefined : imageFacts(config);
    const key = JSON.stringify([data, folder, config.settings.testShare, config.settings.onBadImage, facts]);
    const load = async (): Promise<Dataset | undefined> => {
      try {
        // The test images are shown, and one training image is the least that can be loaded.
        const wanted = { ...config.settings, limitTrain: 1, limitTest: undefined };
        return (await loadImagesWithProgress(wanted, progress, { facts })).dataset;
      } catch (error) {
        signal.throwIfAborted();
        writeNote(terminal, `no attention maps of ${data}: ${error instanceof Error ? error.message : error}`);
        return undefined;
      }
    };
    if (!loaded.has(key)) loaded.set(key, load());
    return loaded.get(key)!;
  };
}
