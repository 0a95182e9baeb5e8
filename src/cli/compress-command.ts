/**
 * `separable compress`: replaces the convolutions of a trained dense network by their nearest structured ones, and writes the result as a
 * run.
 */

import { resolve } from "node:path";
import type { Command } from "commander";
import { type CompressedLayer, type Compression, compress } from "../compress/compress.ts";
import { ConfigError, DataError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { DataUnavailableError } from "../data/data-unavailable-error.ts";
import { backendHelp } from "../experiment/backend-names.ts";
import { dataFacts, displayName, type ImageFacts, imageFacts, imageSide } from "../experiment/data-facts.ts";
import { formatNetwork, type Network } from "../experiment/network-spec.ts";
import { findCheckpoint } from "../experiment/node/find-checkpoint.ts";
import { resolveConvolution } from "../experiment/node/load-family.ts";
import type { Images } from "../experiment/node/load-images.ts";
import { defaultFolder } from "../experiment/node/run-folder-name.ts";
import { startBackend } from "../experiment/node/start-backend.ts";
import { writeUntrainedRun } from "../experiment/node/write-run.ts";
import { anyMachine, presets } from "../experiment/presets.ts";
import { classesOf, restoreNetwork } from "../experiment/restore-network.ts";
import { path } from "../experiment/rules.ts";
import { configOf, type RunConfig } from "../experiment/run-config.ts";
import { isDataName, type Settings, settingRules } from "../experiment/setting-rules.ts";
import { familyOptionsOf, networkOf } from "../experiment/settings.ts";
import { formatConvolution } from "../structured/convolution-text.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { AttentiveClassifier, Classifier, Evaluation } from "../train/evaluate.ts";
import { RunFolder } from "../train/node/run-folder.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { formatCount, formatPercent, formatTable, plural } from "./format.ts";
import { progressStyle, startJob } from "./progress.ts";
import { addRunOptions, type RunOptions, runOf } from "./run-argument.ts";
import { addSettingOptions, machineOptions, type SettingOption, settingsIn } from "./setting-options.ts";
import { interruptible, type Terminal, writeJson, writeNote, writeNotes } from "./terminal.ts";
import { evaluateWithProgress, loadImagesWithProgress, type ProgressContext, turnEventLoop } from "./with-progress.ts";

interface CompressOptions extends Partial<Settings>, RunOptions {
  readonly conv: string;
  readonly out?: string;
  readonly dryRun?: boolean;
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
    .requiredOption("--conv <spec>", "the new convolutions, such as TensorTrain_0.5", argument("compress", "--conv", settingRules.conv))
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

/** The dense network: its checkpoint, its settings, and the configuration of its run, if it has one. */
interface Source {
  readonly checkpoint: Checkpoint;
  readonly config: RunConfig | undefined;
  readonly settings: Settings;
}

async function compressRun(path: string, options: CompressOptions, { terminal }: CommandContext): Promise<void> {
  const style = progressStyle(terminal.stderr, options.progress);
  if (options.dryRun && options.out !== undefined)
    throw new ConfigError("compress: --dry-run writes nothing, got --out too; leave out one of them");
  const spec = await resolveConvolution(options.conv, { modules: "load" });
  const source = await readSource(path, options, terminal);
  const target: Settings = { ...source.settings, conv: formatConvolution(spec) };
  const out = options.dryRun ? undefined : (options.out ?? (await defaultFolder(target)));
  if (out !== undefined) await RunFolder.checkFree(out);
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      const progress = { terminal, style, signal };
      const backend = await startBackend(source.settings);
      const dense = restoreNetwork(source.checkpoint, networkOf(source.settings));
      const facts = factsFor(source);
      const images = await testImages(source, facts, options.evaluate, progress);
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
      const report = { source, target, compression, before, after, images, out };
      if (options.json) reportJson(report, terminal);
      else reportText(report, terminal);
      const warning = lossWarning(report);
      if (warning !== undefined) writeNote(terminal, warning);
    },
  );
}

/** What the run says of its images. For a checkpoint without a configuration, the data set says it. */
function factsFor({ config, settings, checkpoint }: Source): ImageFacts {
  if (config !== undefined) return imageFacts(config);
  if (isDataName(settings.data)) {
    const { classes, ...facts } = dataFacts(settings.data);
    const count = classesOf(checkpoint, networkOf(settings));
    // A network with another number of classes was trained on other data. Its classes are called by their numbers.
    const names = classes.length === count ? classes : Array.from({ length: count }, (_, label) => String(label));
    return { ...facts, classes: names, size: imageSide, resize: imageSide };
  }
  throw new ConfigError(
    `compress: ${checkpoint.source} does not say how its images are normalised, so --data must be a data set with a name, ` +
      `got ${settings.data}`,
  );
}

async function readSource(path: string, options: CompressOptions, terminal: Terminal): Promise<Source> {
  const checkpoint = await findCheckpoint(path);
  writeNotes(terminal, checkpoint.notes);
  const config = configOf(checkpoint);
  if (config === undefined && (options.depth === undefined || options.width === undefined))
    throw new ConfigError(
      `compress: ${checkpoint.source} does not say what its network is, got no --depth and --width; ` +
        "give both, such as --depth 16 --width 1",
    );
  if (config !== undefined && (options.depth ?? options.width) !== undefined)
    throw new ConfigError(`compress: ${checkpoint.source} records its network, got --depth or --width too; leave them out`);
  const recorded = config?.settings ?? presets.quick;
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
  { checkpoint, settings }: Source,
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

interface Report {
  readonly source: Source;
  readonly target: Settings;
  readonly compression: Compression<AttentiveClassifier>;
  readonly before: Evaluation | undefined;
  readonly after: Evaluation | undefined;
  readonly images: Images | undefined;
  readonly out: string | undefined;
}

/** The error of all convolutions from which on a network that was not tested is said to have lost most of what it knew. */
const largeError = 0.5;

/**
 * The warning that the network has lost most of what it knew: more than half of its accuracy above chance, which is 1/classes. A network
 * that was not tested is judged by the error of its convolutions.
 */
function lossWarning({ compression: { relativeError }, before, after, images }: Report): string | undefined {
  const advice = "train it further, or choose convolutions with more parameters";
  if (before === undefined || after === undefined || images === undefined)
    return relativeError <= largeError
      ? undefined
      : `the convolutions have lost ${formatPercent(relativeError)} of their norm, so the network may know little; ` +
          `test it with eval, ${advice}`;
  const chance = 1 / images.dataset.classes.length;
  if (!(after.accuracy - chance < (before.accuracy - chance) / 2)) return undefined;
  return (
    `the network has lost most of its accuracy: ${formatPercent(before.accuracy)} before, ${formatPercent(after.accuracy)} after, ` +
    `${formatPercent(chance)} by chance; ${advice}`
  );
}

function reportJson(report: Report, { stdout }: Terminal): void {
  const { source, target, compression, before, after, images, out } = report;
  const { layers, parametersBefore, parametersAfter, relativeError } = compression;
  const scores = ({ loss, accuracy, count }: Evaluation): object => ({ loss, accuracy, count });
  writeJson(stdout, {
    checkpoint: source.checkpoint.source,
    network: formatNetwork(networkOf(source.settings)),
    compressed: formatNetwork(networkOf(target)),
    parametersBefore,
    parametersAfter,
    compressionRatio: parametersAfter / parametersBefore,
    relativeError,
    layers,
    ...(before && after ? { data: images?.dataset.name, before: scores(before), after: scores(after) } : {}),
    run: out ?? null,
    warning: lossWarning(report) ?? null,
  });
}

const row = ({ name, parametersBefore, parametersAfter, relativeError, separableError, structuredError }: CompressedLayer): string[] => [
  name,
  formatCount(parametersBefore),
  formatCount(parametersAfter),
  ...[relativeError, separableError, structuredError].map(formatPercent),
];

function reportText({ source, target, compression, before, after, images, out }: Report, { stdout, invocation }: Terminal): void {
  const { layers, parametersBefore, parametersAfter, relativeError } = compression;
  const [was, is] = [source.settings, target].map((settings) => formatNetwork(networkOf(settings)));
  stdout.write(`${was} from ${source.checkpoint.source} → ${is}\n\n`);
  const header = ["convolution", "parameters", "now", "error", "by splitting", "by structure"];
  stdout.write(formatTable(header, layers.map(row), ["left", "right", "right", "right", "right", "right"]));
  const share = formatPercent(parametersAfter / parametersBefore);
  stdout.write(
    `\n${plural(parametersBefore, "parameter")} → ${formatCount(parametersAfter)} (${share}); ` +
      `error of all convolutions ${formatPercent(relativeError)}\n`,
  );
  if (before !== undefined && after !== undefined)
    stdout.write(
      `Test accuracy ${formatPercent(before.accuracy)} → ${formatPercent(after.accuracy)} ` +
        `(loss ${before.loss.toFixed(4)} → ${after.loss.toFixed(4)}) ` +
        `on ${plural(after.count, "image")} of ${displayName(images!.dataset.name)}\n`,
    );
  if (out !== undefined) stdout.write(`Written to ${out}. To train it further: ${invocation} train --resume ${out}\n`);
}
