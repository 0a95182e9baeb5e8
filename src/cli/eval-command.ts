/** `separable eval`: tests a trained network on the test images. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { DataError } from "../core/errors.ts";
import type { Dataset } from "../data/dataset.ts";
import { backendHelp } from "../experiment/backend-names.ts";
import { displayName, imageSide } from "../experiment/data-facts.ts";
import { checkpointFacts } from "../experiment/node/checkpoint-facts.ts";
import { findCheckpoint } from "../experiment/node/find-checkpoint.ts";
import { describeBackend, startBackend } from "../experiment/node/start-backend.ts";
import { anyMachine, presets } from "../experiment/presets.ts";
import { configOf } from "../experiment/run-config.ts";
import { classCount, describesItself, restoreNamed } from "../experiment/saved-network.ts";
import { isDataName, type Settings } from "../experiment/setting-rules.ts";
import { foldBatchNorm } from "../nn/fold-batch-norm.ts";
import type { Layer } from "../nn/module.ts";
import { type Checkpoint, withAveragedWeights } from "../train/checkpoint.ts";
import { augmentedLogits } from "../train/test-time-augmentation.ts";
import { classRows, formatClassTable } from "./class-table.ts";
import type { CommandContext } from "./command.ts";
import { formatCount, formatPercent, formatRows, plural } from "./format.ts";
import { progressStyle } from "./progress.ts";
import { addRunOptions, type RunOptions, runOf } from "./run-argument.ts";
import { addSettingOptions, machineOptions, type SettingOption, settingsIn } from "./setting-options.ts";
import { interruptible, writeJson, writeNotes } from "./terminal.ts";
import { evaluateWithProgress, loadImagesWithProgress } from "./with-progress.ts";

interface EvalOptions extends Partial<Settings>, RunOptions {
  readonly fold?: boolean;
  readonly tta?: boolean;
  readonly averaged?: boolean;
  readonly json?: boolean;
  readonly progress: boolean;
}

const settingOptions: readonly SettingOption[] = [
  ["data", "--data <name>", "test on this data set, or on a folder of images such as ./pictures (default: that of the run)"],
  ["folder", "--folder <path>", "read the data here instead of the cache or a download"],
  ["limitTest", "--limit-test <n>", "test on the first n images"],
  ["testShare", "--test-share <share>", "share of a folder without train to test on (default: that of the run; of another folder, all)"],
  ["onBadImage", "--on-bad-image <name>", "with a folder: error or skip, for an image that cannot be decoded (default: that of the run)"],
  ["imageSize", "--image-size <pixels>", "with a folder: the input size, for a checkpoint without a configuration"],
  ["mean", "--mean <r,g,b>", "with a folder: what is subtracted from the pixels, scaled to [0, 1], for such a checkpoint"],
  ["std", "--std <r,g,b>", "with a folder: what they are divided by, for such a checkpoint"],
  ["network", "--network <kind>", "the network, for a checkpoint without a configuration"],
  ["depth", "--depth <n>", "its depth, for a checkpoint without a configuration"],
  ["width", "--width <n>", "its width, for a checkpoint without a configuration"],
  ["widths", "--widths <a,b,c>", "its widths, if it is fast, for a checkpoint without a configuration"],
  ["conv", "--conv <spec>", "its convolutions, for a checkpoint without a configuration"],
  ["batchSize", "--batch-size <n>", "images at a time"],
  ["backend", "--backend <name>", `one of ${backendHelp} (default: auto)`],
  ...machineOptions,
];

export function evalCommand(command: Command, context: CommandContext): void {
  command
    .option("--fold", "fold the batch norms into the convolutions: the same numbers up to rounding, faster")
    .option("--tta", "average the logits over six views of each image: mirrored, and moved by a pixel (six times the work)")
    .option("--averaged", "test the average of the weights that train --ema kept")
    .option("--json", "print one JSON object to stdout")
    .option("--no-progress", "print no progress to stderr");
  addRunOptions(command);
  addSettingOptions(command, settingOptions);
  command.action((run: string | undefined, options: EvalOptions) => evaluateRun(runOf("eval", run, options), options, context));
}

async function evaluateRun(path: string, options: EvalOptions, { terminal }: CommandContext): Promise<void> {
  const style = progressStyle(terminal.stderr, options.progress);
  const found = await findCheckpoint(path);
  const checkpoint = options.averaged ? withAveragedWeights(found) : found;
  writeNotes(terminal, checkpoint.notes);
  const settings = settingsFor(options, checkpoint);
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      const progress = { terminal, style, signal };
      const given = settingsIn(options);
      const { source } = checkpoint;
      const named = isDataName(settings.data);
      const saved = describesItself(checkpoint);
      // A data set with a name has its own facts. The network of a run was trained with them.
      const facts = named && !saved ? undefined : await checkpointFacts("eval", checkpoint, settings, evalGiven(given));
      const backend = await startBackend(settings);
      const { dataset: loaded, origin } = await loadImagesWithProgress(settings, progress, { facts: named ? undefined : facts });
      const dataset = named && facts !== undefined ? { ...loaded, mean: facts.mean, std: facts.std } : loaded;
      const { model, name: network } = restoreNamed("eval", checkpoint, settings, given, dataset.classes.length);
      if (saved) writeNotes(terminal, checkSaved(source, model, dataset, facts?.classes ?? []));
      const tested = options.fold ? foldBatchNorm(model) : model;
      const predict = options.tta ? augmentedLogits : undefined;
      const testing = { label: "testing", batchSize: settings.batchSize, predict };
      const evaluation = await evaluateWithProgress(tested, dataset, testing, progress);
      const { count, loss, accuracy, confusion } = evaluation;
      if (!Number.isFinite(loss))
        throw new DataError(
          `eval: the loss must be finite, got ${loss}; ${source} holds numbers that are not finite, use another checkpoint`,
        );
      if (options.json) {
        const classes = classRows(evaluation, dataset.classes);
        const numbers = { count, loss, accuracy, classes, confusion };
        writeJson(terminal.stdout, { checkpoint: source, network, data: dataset.name, backend, tta: options.tta ?? false, ...numbers });
        return;
      }
      const rows = [
        ["backend", describeBackend(backend)],
        ["data", `${displayName(dataset.name)}: ${formatCount(dataset.test.count)} to test on, ${origin}`],
        ["network", `${network}, ${plural(model.parameterCount(), "parameter")}, from ${source}`],
      ];
      terminal.stdout.write(`${formatRows(rows, 9)}\n`);
      const views = options.tta ? ", six views of each" : "";
      terminal.stdout.write(`Test accuracy ${formatPercent(accuracy)} (loss ${loss.toFixed(4)}) on ${plural(count, "image")}${views}\n\n`);
      terminal.stdout.write(formatClassTable(evaluation, dataset.classes));
    },
  );
}

/** What the options say about the images. All images of a data set with a name have the same size. */
const evalGiven = (given: Partial<Settings>): Partial<Settings> =>
  given.data === undefined || isDataName(given.data) ? { ...given, imageSize: imageSide } : given;

/**
 * The notes for a user who tests a network that `saveModel` wrote on these images.
 * @throws DataError for a network that tells apart another number of classes.
 */
function checkSaved(source: string, model: Layer, { classes, channels, height, width }: Dataset, recorded: readonly string[]): string[] {
  const count = classCount("eval", source, model, [channels, height, width]);
  if (count !== classes.length)
    throw new DataError(
      `eval: the network of ${source} must tell apart the ${classes.length} classes of the images, got ${count}; ` +
        "choose other images with --data",
    );
  if (recorded.length === 0 || recorded.join("\n") === classes.join("\n")) return [];
  const [own, others] = [recorded, classes].map((names) => names.slice(0, 5).join(", "));
  return [`${source} names its classes ${own}, …, and the images are of ${others}, …: the classes are compared in this order`];
}

/** The settings of the run, overwritten by the options. For a checkpoint without a configuration, the options describe the network. */
function settingsFor(options: EvalOptions, checkpoint: Checkpoint): Settings {
  const explicit = settingsIn(options);
  const recorded = configOf(checkpoint)?.settings ?? presets.quick;
  const data = explicit.data === undefined || isDataName(explicit.data) ? explicit.data : resolve(explicit.data);
  const elsewhere = data !== undefined && data !== recorded.data ? { folder: undefined, limitTest: undefined, testShare: 1 } : {};
  // A test needs no training images, and one is the smallest number allowed.
  return { ...recorded, ...anyMachine, ...elsewhere, limitTrain: 1, ...explicit, data: data ?? recorded.data };
}
