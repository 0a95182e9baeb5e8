/** `separable eval`: what a trained network is worth on the test images. */

import { Command } from "commander";
import { ConfigError, DataError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { backendHelp } from "../experiment/backend-names.ts";
import { configOf, findCheckpoint } from "../experiment/find-checkpoint.ts";
import { displayName, loadImages } from "../experiment/load-images.ts";
import { createNetwork, formatNetwork } from "../experiment/network-spec.ts";
import { presets } from "../experiment/presets.ts";
import { argument, path, type Rule } from "../experiment/rules.ts";
import { testBatches } from "../experiment/session.ts";
import { networkOf, type SettingName, type Settings, settingRules } from "../experiment/settings.ts";
import { describeBackend, startBackend } from "../experiment/start-backend.ts";
import { foldBatchNorm } from "../nn/fold-batch-norm.ts";
import { type Checkpoint, restoreModel } from "../train/checkpoint.ts";
import { evaluate } from "../train/evaluate.ts";
import { classRows, formatClassTable } from "./class-table.ts";
import type { CommandContext } from "./command-context.ts";
import { formatCount, formatPercent, plural } from "./format.ts";
import { progressStyle, startJob } from "./progress.ts";
import { interruptible, writeJson, writeNotes } from "./terminal.ts";

interface EvalOptions extends Partial<Settings> {
  readonly run?: string;
  readonly checkpoint?: string;
  readonly fold?: boolean;
  readonly json?: boolean;
  readonly progress: boolean;
}

const settingOptions: readonly (readonly [SettingName, string, string])[] = [
  ["data", "--data <name>", "test on this data set (default: the one of the run)"],
  ["folder", "--folder <path>", "read the data here instead of the cache or a download"],
  ["limitTest", "--limit-test <n>", "test on the first n images"],
  ["network", "--network <kind>", "what a checkpoint without a configuration holds"],
  ["depth", "--depth <n>", "likewise"],
  ["width", "--width <n>", "likewise"],
  ["conv", "--conv <spec>", "likewise"],
  ["batchSize", "--batch-size <n>", "images at a time"],
  ["backend", "--backend <name>", `one of ${backendHelp} (default: auto)`],
  ["threads", "--threads <n>", "of the wasm backend (default: one per core)"],
  ["memoryLimit", "--memory-limit <MiB>", "of the wasm backend (its maximumBytes)"],
];

export function evalCommand(context: CommandContext): Command {
  const command = new Command("eval")
    .description("test a trained network: loss, accuracy, accuracy by class")
    .option("--run <path>", "a run's folder: its best checkpoint is tested", argument("eval", "--run", path))
    .option(
      "--checkpoint <file>",
      "a checkpoint, or any safetensors file with the network's state dict",
      argument("eval", "--checkpoint", path),
    )
    .option("--fold", "with its batch norms folded into the convolutions: the same to rounding, faster")
    .option("--json", "print one JSON object to stdout")
    .option("--no-progress", "print no progress to stderr");
  for (const [name, flags, description] of settingOptions)
    command.option(flags, description, argument("eval", flags.split(" ")[0]!, settingRules[name] as Rule<unknown>));
  return command.action((options: EvalOptions) => evaluateRun(options, context));
}

async function evaluateRun(options: EvalOptions, { terminal }: CommandContext): Promise<void> {
  const style = progressStyle(terminal.stderr, options.progress);
  const checkpoint = await findCheckpoint(pathOf(options));
  writeNotes(terminal, checkpoint.notes);
  const settings = settingsFor(options, checkpoint);
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      const backend = await startBackend(settings);
      const { dataset, origin } = await loadImages(settings, terminal, { signal, progress: style, unavailable: "error" });
      const model = createNetwork(networkOf(settings), dataset.classes.length, { random: new Random(0) }, { init: "variance-preserving" });
      restoreModel(model, checkpoint);
      const job = startJob(terminal.stderr, style, { label: "testing", total: dataset.test.count });
      const onNote = (note: string): void => void terminal.stderr.write(`note: ${note}\n`);
      const evaluation = await evaluate(options.fold ? foldBatchNorm(model) : model, testBatches(dataset, settings.batchSize, onNote), {
        imageShape: [dataset.channels, dataset.height, dataset.width],
        classes: dataset.classes.length,
        signal,
        onBatch: async (done) => {
          job.update(done);
          await new Promise((resolve) => setImmediate(resolve));
        },
      }).finally(() => job.stop());
      if (evaluation === undefined) throw signal.reason;
      if (!Number.isFinite(evaluation.loss))
        throw new DataError(
          `eval: the loss must be finite, got ${evaluation.loss}; ${checkpoint.source} holds numbers that are not, use another`,
        );
      const network = formatNetwork(networkOf(settings));
      if (options.json) {
        const { count, loss, accuracy, confusion } = evaluation;
        const classes = classRows(evaluation, dataset.classes);
        writeJson(terminal.stdout, {
          checkpoint: checkpoint.source,
          network,
          data: dataset.name,
          backend,
          count,
          loss,
          accuracy,
          classes,
          confusion,
        });
        return;
      }
      const rows = [
        ["backend", describeBackend(backend)],
        ["data", `${displayName(dataset.name)}: ${formatCount(dataset.test.count)} to test on, ${origin}`],
        ["network", `${network}, ${plural(model.parameterCount(), "parameter")}, from ${checkpoint.source}`],
      ];
      terminal.stdout.write(`${rows.map(([name, value]) => `${name!.padEnd(9)}${value}\n`).join("")}\n`);
      terminal.stdout.write(
        `Test accuracy ${formatPercent(evaluation.accuracy)} (loss ${evaluation.loss.toFixed(4)}) on ${plural(evaluation.count, "image")}\n\n`,
      );
      terminal.stdout.write(formatClassTable(evaluation, dataset.classes));
    },
  );
}

function pathOf({ run, checkpoint }: EvalOptions): string {
  if ((run === undefined) === (checkpoint === undefined))
    throw new ConfigError(`eval: needs either --run or --checkpoint, got ${run === undefined ? "neither" : "both"}`);
  return (run ?? checkpoint)!;
}

/** The run's settings; a checkpoint that knows none is taken for what the options say. */
function settingsFor(options: EvalOptions, checkpoint: Checkpoint): Settings {
  const explicit = Object.fromEntries(Object.entries(options).filter(([name]) => name in settingRules)) as Partial<Settings>;
  const recorded = configOf(checkpoint)?.settings ?? presets.quick;
  // Where it was trained says nothing about where it is tested. The images it was trained on are not needed: the least is one.
  const machine = { backend: presets.quick.backend, threads: undefined, memoryLimit: undefined };
  const elsewhere = explicit.data !== undefined && explicit.data !== recorded.data ? { folder: undefined, limitTest: undefined } : {};
  return { ...recorded, ...machine, ...elsewhere, limitTrain: 1, ...explicit };
}
