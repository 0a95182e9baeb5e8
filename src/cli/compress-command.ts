/**
 * `separable compress`: replaces the convolutions of a trained dense network by their nearest structured ones, and writes the result as a
 * run.
 */

import { resolve } from "node:path";
import type { Command } from "commander";
import { type CompressedLayer, type Compression, compress } from "../compress/compress.ts";
import { ConfigError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { backendHelp } from "../experiment/backend-names.ts";
import { dataFacts, displayName, type ImageFacts, imageFacts, imageSide } from "../experiment/data-facts.ts";
import { formatNetwork, type Network } from "../experiment/network-spec.ts";
import { findCheckpoint } from "../experiment/node/find-checkpoint.ts";
import { resolveConvolution } from "../experiment/node/load-family.ts";
import type { Images } from "../experiment/node/load-images.ts";
import { defaultFolder } from "../experiment/node/run-folder-name.ts";
import { startBackend } from "../experiment/node/start-backend.ts";
import { writeUntrainedRun } from "../experiment/node/write-run.ts";
import { presets } from "../experiment/presets.ts";
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
import { addSettingOptions, machineOptions, type SettingOption, settingsIn } from "./setting-options.ts";
import { interruptible, type Terminal, writeJson } from "./terminal.ts";
import { evaluateWithProgress, loadImagesWithProgress, type ProgressContext, turnEventLoop } from "./with-progress.ts";

interface CompressOptions extends Partial<Settings> {
  readonly checkpoint: string;
  readonly conv: string;
  readonly out?: string;
  readonly dryRun?: boolean;
  readonly evaluate?: boolean;
  readonly json?: boolean;
  readonly progress: boolean;
}

const settingOptions: readonly SettingOption[] = [
  ["mode", "--mode <path>", "how the new convolutions are applied: auto, factorized or dense"],
  ["seed", "--seed <n>", "seed of everything random: which weights share a hash, where CP starts (default: that of the run)"],
  ["epochs", "--epochs <n>", "epochs that `train --resume` will train the result for (default: those of the run)"],
  ["learningRate", "--learning-rate <rate>", "learning rate that `train --resume` will use (default: that of the run)"],
  ["data", "--data <name>", "test on this data set or folder of images, and train the result on it (default: that of the run)"],
  ["folder", "--folder <path>", "read the data here instead of the cache or a download"],
  ["limitTest", "--limit-test <n>", "test on the first n images"],
  ["depth", "--depth <n>", "the depth of a network in a checkpoint without a configuration"],
  ["width", "--width <n>", "the width of such a network"],
  ["backend", "--backend <name>", `one of ${backendHelp} (default: wasm)`],
  ...machineOptions,
];

export function compressCommand(command: Command, context: CommandContext): void {
  command
    .requiredOption("--checkpoint <path>", "a run's folder, or a checkpoint file", argument("compress", "--checkpoint", path))
    .requiredOption("--conv <spec>", "the new convolutions, such as TensorTrain_0.5", argument("compress", "--conv", settingRules.conv))
    .option("--out <path>", "folder to write (default: runs/<time>-<network>)", argument("compress", "--out", path))
    .option("--dry-run", "write nothing")
    .option("--evaluate", "test both networks")
    .option("--json", "print one JSON object to stdout")
    .option("--no-progress", "print no progress to stderr");
  addSettingOptions(command, settingOptions);
  command.action((options: CompressOptions) => compressRun(options, context));
}

/** The dense network: its checkpoint, its settings, and the configuration of its run, if it has one. */
interface Source {
  readonly checkpoint: Checkpoint;
  readonly config: RunConfig | undefined;
  readonly settings: Settings;
}

async function compressRun(options: CompressOptions, { terminal }: CommandContext): Promise<void> {
  const style = progressStyle(terminal.stderr, options.progress);
  if (options.dryRun && options.out !== undefined)
    throw new ConfigError("compress: --dry-run writes nothing, got --out too; leave out one of them");
  const spec = await resolveConvolution(options.conv, { modules: "load" });
  const source = await readSource(options);
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
      const images = options.evaluate
        ? await loadImagesWithProgress({ ...source.settings, limitTrain: 1 }, progress, isDataName(source.settings.data) ? {} : { facts })
        : undefined;
      const classes = classesOf(source.checkpoint, networkOf(source.settings));
      if (images !== undefined && images.dataset.classes.length !== classes)
        throw new ConfigError(
          `compress: the test images must be of the network's ${classes} classes, ` +
            `got ${images.dataset.classes.length} in ${images.dataset.name}; choose with --data`,
        );
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
    },
  );
}

/** What the run says of its images. For a checkpoint without a configuration, the data set says it. */
function factsFor({ config, settings, checkpoint }: Source): ImageFacts {
  if (config !== undefined) return imageFacts(config);
  if (isDataName(settings.data)) return { ...dataFacts(settings.data), size: imageSide, resize: imageSide };
  throw new ConfigError(
    `compress: ${checkpoint.source} does not say how its images are normalised, so --data must be a data set with a name, got ${settings.data}`,
  );
}

async function readSource(options: CompressOptions): Promise<Source> {
  const checkpoint = await findCheckpoint(options.checkpoint);
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
  const machine = { backend: "wasm", threads: undefined, memoryLimit: undefined } as const;
  const elsewhere =
    explicit.data !== undefined && explicit.data !== recorded.data
      ? { folder: undefined, limitTrain: undefined, limitTest: undefined }
      : {};
  return { checkpoint, config, settings: { ...recorded, ...machine, init: undefined, ...elsewhere, ...explicit } };
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
        job.update(done, name);
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

function reportJson({ source, target, compression, before, after, images, out }: Report, { stdout }: Terminal): void {
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
