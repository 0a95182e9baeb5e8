/**
 * `separable compress`: replaces the convolutions of a trained dense network by their nearest structured ones, and writes the result as a
 * run.
 */

import { extname, resolve } from "node:path";
import type { Command } from "commander";
import { type Compression, compress } from "../compress/compress.ts";
import { type CompressionPlan, planCompression } from "../compress/plan.ts";
import { ConfigError, DataError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { DataUnavailableError } from "../data/data-unavailable-error.ts";
import { backendHelp } from "../experiment/backend-names.ts";
import { dataFacts, type ImageFacts, imageFacts, imageSide } from "../experiment/data-facts.ts";
import { Interruption } from "../experiment/interruption.ts";
import type { Network } from "../experiment/network-spec.ts";
import { findCheckpoint } from "../experiment/node/find-checkpoint.ts";
import { resolveConvolution } from "../experiment/node/load-family.ts";
import type { Images } from "../experiment/node/load-images.ts";
import { resumeRun } from "../experiment/node/resume-run.ts";
import { defaultFolder } from "../experiment/node/run-folder-name.ts";
import { startBackend } from "../experiment/node/start-backend.ts";
import { writeUntrainedRun } from "../experiment/node/write-run.ts";
import { anyMachine, presets } from "../experiment/presets.ts";
import { classesOf, restoreNetwork } from "../experiment/restore-network.ts";
import { integer, number, path, type Rule } from "../experiment/rules.ts";
import { configOf } from "../experiment/run-config.ts";
import { savedSettings } from "../experiment/saved-network.ts";
import { isDataName, type Settings, settingRules } from "../experiment/setting-rules.ts";
import { familyOptionsOf, networkOf } from "../experiment/settings.ts";
import { familyNamed, formatConvolution } from "../structured/convolution-text.ts";
import type { AttentiveClassifier, Classifier, Evaluation } from "../train/evaluate.ts";
import { notesOf } from "../train/model-file.ts";
import { writeFileAtomic } from "../train/node/atomic-file.ts";
import { RunFolder } from "../train/node/run-folder.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { type CompressSource, lossWarning, reportJson, reportText, reportTuned } from "./compress-report.ts";
import { progressStyle, startJob } from "./progress.ts";
import { addRunOptions, type RunOptions, runOf } from "./run-argument.ts";
import { addSettingOptions, machineOptions, type SettingOption, settingsIn } from "./setting-options.ts";
import { interruptible, type Terminal, writeNote, writeNotes } from "./terminal.ts";
import { textReporter } from "./train-report.ts";
import { evaluateWithProgress, loadImagesWithProgress, type ProgressContext, turnEventLoop } from "./with-progress.ts";

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
      const plan = spec === undefined ? await planWithProgress(dense, options, source.settings.seed, progress) : undefined;
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

/** The settings with which the result is tuned. */
const tuning = ({ tune: epochs }: CompressOptions): Partial<Settings> => (epochs === undefined ? {} : { epochs });

async function planWithProgress(
  dense: Network,
  { conv, error, budget, windows }: CompressOptions,
  seed: number,
  { terminal, style, signal }: ProgressContext,
): Promise<CompressionPlan> {
  const goal = error === undefined ? { parameters: parametersOf(budget!, dense.parameterCount()) } : { error };
  let job: ReturnType<typeof startJob> | undefined;
  try {
    return await planCompression(dense, conv, goal, {
      seed,
      ...(windows !== undefined && { windows }),
      onLayer: async (name, done, total) => {
        job ??= startJob(terminal.stderr, style, { label: "choosing ranks", total });
        job.update(done, { details: [name] });
        await turnEventLoop();
        signal.throwIfAborted();
      },
    });
  } finally {
    job?.stop();
  }
}

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

/** What the run says of its images. For a checkpoint without a configuration, the data set says it. */
function factsFor({ config, settings, checkpoint }: CompressSource): ImageFacts {
  if (config !== undefined) return imageFacts(config);
  if (isDataName(settings.data)) {
    const { classes, ...facts } = dataFacts(settings.data);
    const count = classesOf(checkpoint, networkOf(settings));
    // A network with another number of classes was trained on other data. Its classes are called by their numbers.
    const names = classes.length === count ? classes : Array.from({ length: count }, (_, label) => String(label));
    // A file of saveModel may hold what it was given of the classes and of the normalisation.
    const { classes: noted = names, normalization = facts } = notesOf(checkpoint.metadata, checkpoint.source);
    return { ...facts, ...normalization, classes: noted, size: imageSide, resize: imageSide };
  }
  throw new ConfigError(
    `compress: ${checkpoint.source} does not say how its images are normalised, so --data must be a data set with a name, ` +
      `got ${settings.data}`,
  );
}

async function readSource(path: string, options: CompressOptions, terminal: Terminal): Promise<CompressSource> {
  const checkpoint = await findCheckpoint(path);
  writeNotes(terminal, checkpoint.notes);
  const config = configOf(checkpoint);
  const saved = config === undefined ? savedSettings("compress", checkpoint, { depth: options.depth, width: options.width }) : undefined;
  if (config === undefined && saved === undefined && (options.depth === undefined || options.width === undefined))
    throw new ConfigError(
      `compress: ${checkpoint.source} does not say what its network is, got no --depth and --width; ` +
        "give both, such as --depth 16 --width 1",
    );
  if (config !== undefined && (options.depth ?? options.width) !== undefined)
    throw new ConfigError(`compress: ${checkpoint.source} records its network, got --depth or --width too; leave them out`);
  const recorded: Settings = config?.settings ?? { ...presets.quick, ...saved };
  if (recorded.conv !== "Conv")
    throw new ConfigError(
      `compress: the network must be made of dense convolutions (Conv), got ${recorded.conv} in ${checkpoint.source}; name the dense run`,
    );
  const { conv: _, ...given } = settingsIn(options);
  const { folder, data } = given;
  const explicit = {
    ...given,
    ...(folder === undefined ? {} : { folder: resolve(folder) }),
    ...(data === undefined || isDataName(data) ? {} : { data: resolve(data) }),
  };
  // The work is decompositions, which are computed on the host. A device would not speed them up.
  const machine = { ...anyMachine, backend: "wasm" } as const;
  const elsewhere =
    explicit.data !== undefined && explicit.data !== recorded.data
      ? { folder: undefined, limitTrain: undefined, limitTest: undefined }
      : {};
  return { checkpoint, config, settings: { ...recorded, ...machine, init: undefined, ...elsewhere, ...explicit } };
}

/** The images to test on. Without --evaluate, a note says that nothing is tested where the images cannot be had or are of other classes. */
async function testImages(
  { checkpoint, settings }: CompressSource,
  facts: ImageFacts,
  evaluate: boolean | undefined,
  progress: ProgressContext,
): Promise<Images | undefined> {
  if (evaluate === false) return undefined;
  try {
    // The network sees the images of a folder as it was trained on others.
    const images = await loadImagesWithProgress({ ...settings, limitTrain: 1 }, progress, isDataName(settings.data) ? {} : { facts });
    const { name, classes } = images.dataset;
    const expected = classesOf(checkpoint, networkOf(settings));
    if (classes.length === expected) return images;
    throw new ConfigError(
      `compress: the test images must be of the network's ${expected} classes, got ${classes.length} in ${name}; choose with --data`,
    );
  } catch (error) {
    // A folder of images may have been moved or changed since the training.
    const Unavailable = isDataName(settings.data) ? DataUnavailableError : DataError;
    if (evaluate || !(error instanceof Unavailable || error instanceof ConfigError)) throw error;
    writeNote(progress.terminal, `neither network is tested: ${error.message}`);
    return undefined;
  }
}

async function compressWithProgress(
  dense: Network,
  target: Settings,
  { terminal, style, signal }: ProgressContext,
): Promise<Compression<AttentiveClassifier>> {
  let job: ReturnType<typeof startJob> | undefined;
  try {
    return await compress(dense, networkOf(target).convolution, {
      ...familyOptionsOf(target),
      // Compression overwrites every number, so the initialisation is the one that decomposes no matrix.
      init: "variance-preserving",
      build: { random: new Random(target.seed) },
      onLayer: async ({ name }, done, total) => {
        job ??= startJob(terminal.stderr, style, { label: "compressing", total });
        job.update(done, { details: [name] });
        await turnEventLoop();
        signal.throwIfAborted();
      },
    });
  } finally {
    job?.stop();
  }
}
