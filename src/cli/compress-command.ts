/**
 * `separable compress`: replaces the convolutions of a trained dense network by their nearest structured ones, and writes the result as a
 * run.
 */

import { extname } from "node:path";
import type { Command } from "commander";
import type { CompressionPlan } from "../compress/plan.ts";
import { ConfigError } from "../core/errors.ts";
import { backendHelp } from "../experiment/backend-names.ts";
import { Interruption } from "../experiment/interruption.ts";
import type { Network } from "../experiment/network-spec.ts";
import { resolveConvolution } from "../experiment/node/load-family.ts";
import { resumeRun } from "../experiment/node/resume-run.ts";
import { defaultFolder } from "../experiment/node/run-folder-name.ts";
import { startBackend } from "../experiment/node/start-backend.ts";
import { writeUntrainedRun } from "../experiment/node/write-run.ts";
import { restoreNetwork } from "../experiment/restore-network.ts";
import { integer, number, path, type Rule } from "../experiment/rules.ts";
import { type Settings, settingRules } from "../experiment/setting-rules.ts";
import { networkOf } from "../experiment/settings.ts";
import { familyNamed, formatConvolution } from "../structured/convolution-text.ts";
import type { Classifier, Evaluation } from "../train/evaluate.ts";
import { writeFileAtomic } from "../train/node/atomic-file.ts";
import { RunFolder } from "../train/node/run-folder.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { lossWarning, reportJson, reportText, reportTuned } from "./compress-report.ts";
import { factsFor, readSource, testImages } from "./compress-source.ts";
import { compressWithProgress, type PlanRequest, planWithProgress } from "./compress-with-progress.ts";
import { progressStyle } from "./progress.ts";
import { addRunOptions, type RunOptions, runOf } from "./run-argument.ts";
import { addSettingOptions, machineOptions, type SettingOption } from "./setting-options.ts";
import { interruptible, writeNote } from "./terminal.ts";
import { textReporter } from "./train-report.ts";
import { evaluateWithProgress, type ProgressContext } from "./with-progress.ts";

/** A number of parameters, or a share of the dense network's. */
type BudgetOption = { readonly parameters: number } | { readonly share: number };

const parametersOf = (budget: BudgetOption, dense: number): number =>
  "parameters" in budget ? budget.parameters : Math.max(1, Math.floor(budget.share * dense));

const budgetRule: Rule<BudgetOption> = {
  allowed: "a number of parameters, such as 30000, or a share of the dense network's with an x, such as 0.3x",
  accepts: (value): value is BudgetOption => typeof value === "object" && value !== null && ("parameters" in value || "share" in value),
  parse: (text) => {
    if (/^[1-9]\d{0,11}$/.test(text)) return { parameters: Number(text) };
    const share = /^(?:\d+|\d*\.\d+)x$/.test(text) ? Number(text.slice(0, -1)) : 0;
    return share > 0 && share <= 1 ? { share } : undefined;
  },
};

/** Whether a text is the kind of a family, without the numbers that a plan chooses. */
const isFamilyAlone = (text: string): boolean => familyNamed(text)?.family.kind === text;

/** --conv takes a family alone too, for --error and --budget. */
const convRule: Rule<string> = {
  ...settingRules.conv,
  parse: (text) => settingRules.conv.parse(text) ?? (isFamilyAlone(text) ? text : undefined),
};

interface CompressOptions extends Partial<Settings>, RunOptions {
  readonly conv: string;
  readonly out?: string;
  readonly dryRun?: boolean;
  readonly error?: number;
  readonly budget?: BudgetOption;
  readonly windows?: number;
  readonly picture?: string;
  readonly tune?: number;
  /** False under --no-evaluate; undefined when neither form was given. */
  readonly evaluate?: boolean;
  readonly json?: boolean;
  readonly progress: boolean;
}

const settingOptions: readonly SettingOption[] = [
  ["mode", "--mode <path>", "how the new convolutions are applied: auto, factorized or dense"],
  ["seed", "--seed <n>", "seed of the random choices: which weights share a hash, where CP starts (default: that of the run)"],
  ["epochs", "--epochs <n>", "epochs that `train --resume` will train the result for (default: those of the run)"],
  ["learningRate", "--learning-rate <rate>", "learning rate that `train --resume` will use (default: that of the run)"],
  ["data", "--data <name>", "test on this data set or folder of images, and train the result on it (default: that of the run)"],
  ["folder", "--folder <path>", "read the data here instead of the cache or a download"],
  ["limitTest", "--limit-test <n>", "test on the first n images"],
  ["depth", "--depth <n>", "its depth, for a checkpoint without a configuration"],
  ["width", "--width <n>", "its width, for a checkpoint without a configuration"],
  ["backend", "--backend <name>", `one of ${backendHelp} (default: wasm)`],
  ...machineOptions,
];

export function compressCommand(command: Command, context: CommandContext): void {
  command
    .requiredOption(
      "--conv <spec>",
      "the new convolutions, such as TensorTrain_0.5 or Generic_0.25x2; a family such as Generic beside --error or --budget",
      argument("compress", "--conv", convRule),
    )
    .option(
      "--error <share>",
      "choose the rank and the windows of each layer so that its relative error is at most this, such as 0.1",
      argument("compress", "--error", number({ above: 0, below: 1 })),
    )
    .option(
      "--budget <parameters>",
      "choose them so that the network has at most so many parameters, such as 30000, or 0.3x of the dense network's",
      argument("compress", "--budget", budgetRule),
    )
    .option(
      "--windows <n>",
      "the most windows of a layer, beside --error or --budget (default: 9)",
      argument("compress", "--windows", integer({ least: 1, most: 1024 })),
    )
    .option(
      "--picture <file>",
      "draw the error of each layer against its parameters, as .svg, beside --error or --budget",
      argument("compress", "--picture", path),
    )
    .option(
      "--tune <epochs>",
      "train the result for so many epochs, and report the accuracy before, after compressing and after tuning",
      argument("compress", "--tune", integer({ least: 1, most: 100_000 })),
    )
    .option("--out <path>", "folder to write (default: runs/<time>-<network>)", argument("compress", "--out", path))
    .option("--dry-run", "write nothing")
    .option("--evaluate", "test both networks, which is the default; fail where the test images cannot be had")
    .option("--no-evaluate", "test neither network")
    .option("--json", "print one JSON object to stdout")
    .option("--no-progress", "print no progress to stderr");
  addRunOptions(command);
  addSettingOptions(command, settingOptions);
  command.action((run: string | undefined, options: CompressOptions) => compressRun(runOf("compress", run, options), options, context));
}

async function compressRun(path: string, options: CompressOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const style = progressStyle(terminal.stderr, options.progress);
  checkOptionsFit(options);
  const spec = planned(options) ? undefined : await resolveConvolution(options.conv, { modules: "load" });
  const source = await readSource(path, options, terminal);
  if (options.out !== undefined) await RunFolder.checkFree(options.out);
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      const progress = { terminal, style, signal };
      const backend = await startBackend(source.settings);
      const dense = restoreNetwork(source.checkpoint, networkOf(source.settings));
      const facts = factsFor(source);
      const images = await testImages(source, facts, options.evaluate, progress);
      const plan = spec === undefined ? await planWithProgress(dense, planOf(options, dense), source.settings.seed, progress) : undefined;
      if (plan !== undefined && options.picture !== undefined) await writePicture(options.picture, plan);
      const target: Settings = { ...source.settings, conv: formatConvolution(spec ?? plan!.spec), ...tuning(options) };
      const out = options.dryRun ? undefined : (options.out ?? (await defaultFolder(target)));
      if (out !== undefined) await RunFolder.checkFree(out);
      const compression = await compressWithProgress(dense, target, progress);
      const test = async (network: Classifier, label: string): Promise<Evaluation | undefined> =>
        images && evaluateWithProgress(network, images.dataset, { label, batchSize: target.batchSize }, progress);
      const before = await test(dense, "testing the dense network");
      const after = await test(compression.network, "testing the compressed one");
      signal.throwIfAborted();
      if (out !== undefined) {
        const compressed = { from: source.checkpoint.source, relativeError: compression.relativeError };
        const { preset = "quick", fallback } = source.config ?? {};
        await writeUntrainedRun(out, { preset, fallback, compressed, settings: target, network: compression.network, facts, backend });
      }
      const report = { source, target, compression, plan, before, after, tuned: undefined, images, out };
      if (!options.json) reportText(report, terminal, options.tune !== undefined);
      const tuned = options.tune === undefined ? undefined : await tune(out!, options, progress, context);
      if (options.json) reportJson({ ...report, tuned }, terminal);
      else if (tuned !== undefined) reportTuned({ ...report, tuned }, terminal);
      const warning = lossWarning({ ...report, tuned });
      if (warning !== undefined) writeNote(terminal, warning);
    },
  );
}

/** @throws ConfigError for options that contradict each other. */
function checkOptionsFit(options: CompressOptions): void {
  if (options.dryRun && options.out !== undefined)
    throw new ConfigError("compress: --dry-run writes nothing, got --out too; leave out one of them");
  if (options.dryRun && options.tune !== undefined)
    throw new ConfigError("compress: --tune trains the run that is written, got --dry-run too; leave out one of them");
  if (options.tune !== undefined && options.epochs !== undefined)
    throw new ConfigError("compress: --tune says for how many epochs to train, got --epochs too; leave out one of them");
  if (options.error !== undefined && options.budget !== undefined)
    throw new ConfigError("compress: --error and --budget both choose the ranks, got both; leave out one of them");
  const lone = (["windows", "picture"] as const).find((name) => options[name] !== undefined);
  if (!planned(options) && lone !== undefined)
    throw new ConfigError(`compress: --${lone} belongs to --error or --budget, got neither; write windows as in Generic_0.25x2`);
  if (planned(options) && !isFamilyAlone(options.conv))
    throw new ConfigError(`compress: --conv must be a family such as Generic beside --error or --budget, got ${options.conv}`);
  if (options.picture !== undefined && extname(options.picture) !== ".svg")
    throw new ConfigError(`compress: --picture must end in .svg, got ${options.picture}`);
}

/** Whether the command chooses the ranks. */
const planned = ({ error, budget }: CompressOptions): boolean => error !== undefined || budget !== undefined;

/** What a plan is made for. */
const planOf = ({ conv, error, budget, windows }: CompressOptions, dense: Network): PlanRequest => ({
  family: conv,
  goal: error === undefined ? { parameters: parametersOf(budget!, dense.parameterCount()) } : { error },
  windows,
});

/** The settings with which the result is tuned. */
const tuning = ({ tune: epochs }: CompressOptions): Partial<Settings> => (epochs === undefined ? {} : { epochs });

/** The plot is loaded only when it is drawn. */
async function writePicture(file: string, { layers }: CompressionPlan): Promise<void> {
  const { compressionPlot } = await import("../report/compression-plot.ts");
  await writeFileAtomic(file, compressionPlot(layers));
}

/** Trains the written run as `train --resume` does. @returns the test after the last epoch; undefined where the run was stopped. */
async function tune(
  out: string,
  { json }: CompressOptions,
  { terminal, style, signal }: ProgressContext,
  context: CommandContext,
): Promise<Evaluation | undefined> {
  const reporter = textReporter(terminal, style);
  const observer = json ? { note: (text: string) => writeNote(terminal, text) } : reporter;
  try {
    const outcome = await resumeRun(out, {}, {}, { signal, observer });
    if (!json) reporter.finish(outcome, signal.aborted);
    if (outcome.result === "stopped") context.exitCode = Interruption.exitCode;
    return outcome.evaluation;
  } finally {
    reporter.stop();
  }
}
