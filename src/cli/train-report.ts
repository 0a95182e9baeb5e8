/** Reports a training run: to people in lines and bars, to programs as JSON lines. */

import { profileRows } from "../bench/profile-rows.ts";
import { displayName } from "../experiment/data-facts.ts";
import { formatArchitecture } from "../experiment/network-spec.ts";
import type { Images } from "../experiment/node/load-images.ts";
import { describeBackend } from "../experiment/node/start-backend.ts";
import type { StartedRun, TrainObserver, TrainOutcome } from "../experiment/node/train-observer.ts";
import type { DataFallback, RunConfig, TeacherRecord } from "../experiment/run-config.ts";
import type { Settings } from "../experiment/setting-rules.ts";
import { networkOf } from "../experiment/settings.ts";
import type { RunFolder } from "../train/node/run-folder.ts";
import type { EpochMetrics, StepReport } from "../train/progress.ts";
import type { Trainer } from "../train/trainer.ts";
import { classRows, formatClassTable } from "./class-table.ts";
import { formatCount, formatDuration, formatMegabytes, formatPercent, formatRate, formatRows, plural } from "./format.ts";
import { profileTables } from "./profile-table.ts";
import { type ProgressJob, type ProgressStyle, startJob } from "./progress.ts";
import { type Terminal, writeJson, writeNote } from "./terminal.ts";

/** Shows a training run on a terminal. */
export interface TrainReporter extends Required<Omit<TrainObserver, "data">> {
  /** The run has finished, or has stopped and been saved. */
  finish(outcome: TrainOutcome, interrupted: boolean): void;
  /** Removes the bars from the screen. */
  stop(): void;
  /** The user has pressed Ctrl-C. The step that is being computed is the last one. */
  interrupted(): void;
}

/** Shows a bar for the steps of an epoch, and one for its test. */
function bars(terminal: Terminal, style: ProgressStyle) {
  let job: ProgressJob | undefined;
  let testing = false;
  let started: StartedRun | undefined;
  let silent = false;
  const stop = (): void => {
    job?.stop();
    job = undefined;
    testing = false;
  };
  return {
    begin(run: StartedRun): void {
      started = run;
    },
    stop,
    interrupted(): void {
      stop();
      silent = true;
      terminal.stderr.write("Stopping after this step; once more to leave at once.\n");
    },
    step({ epoch, step, tally, learningRate }: StepReport): void {
      if (started === undefined || silent) return;
      const { config, session } = started;
      const total = session.trainer.batchesPerEpoch;
      job ??= startJob(terminal.stderr, style, { label: `epoch ${epoch + 1}/${config.settings.epochs}`, total, start: step - 1 });
      const { count, loss, correct, seconds } = tally;
      const details = [
        `loss ${(loss / count).toFixed(3)}`,
        `accuracy ${formatPercent(correct / count)}`,
        `rate ${formatRate(learningRate)}`,
      ];
      job.update(step, { details, imagesPerSecond: count / seconds });
      if (step === total) stop();
    },
    testBatch(done: number): void {
      if (started === undefined || silent) return;
      const total = started.images.dataset.test.count;
      if (!testing) stop();
      testing = true;
      job ??= startJob(terminal.stderr, style, { label: "testing", total });
      job.update(done);
      if (done === total) stop();
    },
  };
}

const resumeHint = (terminal: Terminal, folder: RunFolder): string => `${terminal.invocation} train --resume ${folder.path}`;

export function textReporter(terminal: Terminal, style: ProgressStyle): TrainReporter {
  const { stdout, stderr } = terminal;
  const progress = bars(terminal, style);
  let epochs = 0;
  return {
    start(run) {
      progress.begin(run);
      const { config, images, folder, session, resumed } = run;
      const { settings } = config;
      epochs = settings.epochs;
      if (images.fallback) stderr.write(fallbackWarning(images.fallback));
      const { trainer } = session;
      const { epoch, step } = trainer.progress;
      const rows = [
        ["backend", describeBackend(config.environment.backend)],
        ["data", describeImages(images)],
        ["network", describeNetwork(config, trainer)],
        ["recipe", describeRecipe(config, trainer)],
        ...(config.teacher === undefined ? [] : [["teacher", describeTeacher(config.teacher, settings)]]),
        ["run", resumed ? `${folder.path}, resumed after epoch ${epoch}${step > 0 ? ` and ${plural(step, "step")}` : ""}` : folder.path],
      ];
      stdout.write(`${formatRows(rows, 9)}\n`);
    },
    step: progress.step,
    testBatch: progress.testBatch,
    epoch(metrics) {
      progress.stop();
      stdout.write(`${describeEpoch(metrics, epochs)}\n`);
    },
    finish({ result, evaluation, images, folder, trainer }) {
      progress.stop();
      if (result === "stopped") {
        const { epoch, step } = trainer.progress;
        stdout.write(
          `Stopped after ${plural(step, "step")} of epoch ${epoch + 1}, and saved. To go on:\n  ${resumeHint(terminal, folder)}\n`,
        );
        return;
      }
      const { metrics } = folder;
      const last = metrics.at(-1);
      if (evaluation) {
        stdout.write(
          `\nTest accuracy ${formatPercent(evaluation.accuracy)} (loss ${evaluation.loss.toFixed(4)}) ` +
            `on ${plural(evaluation.count, "image")}\n\n`,
        );
        stdout.write(`${formatClassTable(evaluation, images.dataset.classes, 20)}\n`);
      } else
        stdout.write(
          `This run has finished already${last?.testAccuracy != null ? `: test accuracy ${formatPercent(last.testAccuracy)}` : ""}.\n\n`,
        );
      const best = metrics.reduce((a, b) => ((b.testAccuracy ?? -1) > (a.testAccuracy ?? -1) ? b : a), metrics[0]!);
      if (last && best.epoch !== last.epoch && best.testAccuracy !== null)
        stdout.write(`The best was epoch ${best.epoch} with ${formatPercent(best.testAccuracy)}.\n`);
      const seconds = metrics.reduce((total, line) => total + line.seconds + line.testSeconds, 0);
      stdout.write(`Trained ${plural(metrics.length, "epoch")} in ${formatDuration(seconds)}. The run is in ${folder.path}\n`);
      // The copies of these files and the older checkpoints are left out, because nobody opens them by name.
      stdout.write(`  config.json  metrics.jsonl  evaluation.json  checkpoint.safetensors  best.safetensors\n`);
      if (images.fallback) stderr.write(`\n${fallbackWarning(images.fallback)}`);
    },
    profile(profile) {
      progress.stop();
      stdout.write(`\n${profileTables(profileRows(profile))}\n`);
    },
    note: (text) => writeNote(terminal, text),
    stop: progress.stop,
    interrupted: progress.interrupted,
  };
}

/** Writes one JSON object a line to stdout, and nothing else. */
export function jsonReporter(terminal: Terminal, style: ProgressStyle): TrainReporter {
  const { stdout, stderr } = terminal;
  const progress = bars(terminal, style);
  return {
    start(run) {
      progress.begin(run);
      const { config, images, folder, session, resumed } = run;
      if (images.fallback) stderr.write(fallbackWarning(images.fallback));
      const { train, test } = images.dataset;
      writeJson(stdout, {
        event: "start",
        run: folder.path,
        resumed,
        ...config,
        data: { source: images.source, train: train.count, test: test.count },
        parameters: session.trainer.model.parameterCount(),
        stepsPerEpoch: session.trainer.batchesPerEpoch,
      });
    },
    step: progress.step,
    testBatch: progress.testBatch,
    epoch(metrics) {
      progress.stop();
      writeJson(stdout, { event: "epoch", ...metrics });
    },
    finish({ result, evaluation, images, folder, trainer }, interrupted) {
      progress.stop();
      const { epoch, step } = trainer.progress;
      const state = { event: result, run: folder.path, epoch, step, interrupted };
      if (result === "stopped") writeJson(stdout, { ...state, resume: resumeHint(terminal, folder) });
      else {
        const test = evaluation && {
          testLoss: evaluation.loss,
          testAccuracy: evaluation.accuracy,
          classes: classRows(evaluation, images.dataset.classes),
          confusion: evaluation.confusion,
        };
        writeJson(stdout, { ...state, ...test });
        if (images.fallback) stderr.write(fallbackWarning(images.fallback));
      }
    },
    profile: (profile) => writeJson(stdout, { event: "profile", ...profileRows(profile) }),
    note: (text) => writeNote(terminal, text),
    stop: progress.stop,
    interrupted: progress.interrupted,
  };
}

function describeImages({ dataset, origin }: Images): string {
  const { name, train, test } = dataset;
  return `${displayName(name)}: ${formatCount(train.count)} to train on, ${formatCount(test.count)} to test on, ${origin}`;
}

function describeNetwork({ settings }: RunConfig, trainer: Trainer): string {
  const { conv, dropout } = settings;
  const architecture = formatArchitecture(networkOf(settings)).toUpperCase();
  const parts = [architecture, `${conv} convolutions`, plural(trainer.model.parameterCount(), "parameter")];
  return [...parts, ...(dropout > 0 ? [`dropout ${dropout}`] : [])].join(", ");
}

function describeRecipe({ settings }: RunConfig, trainer: Trainer): string {
  const { epochs, batchSize, optimizer, momentum, nesterov, learningRate, schedule, weightDecay, labelSmoothing, augment, seed } = settings;
  const { lookahead, ema, normRate } = settings;
  const name = { sgd: "SGD", muon: "Muon", adam: "Adam", adamw: "AdamW" }[optimizer];
  const hasMomentum = optimizer === "sgd" || optimizer === "muon";
  const rule = `${name}${hasMomentum ? ` with ${nesterov ? "Nesterov " : ""}momentum ${momentum}` : ""}`;
  return [
    `${plural(epochs, "epoch")} of ${plural(trainer.batchesPerEpoch, "step")} (batch ${batchSize})`,
    rule,
    ...(lookahead === undefined ? [] : [`Lookahead ${Number(lookahead.toPrecision(3))}`]),
    ...(ema === undefined ? [] : [`average of weights ${ema}`]),
    `${schedule} rate ${learningRate}${normRate === undefined ? "" : ` (norms ×${normRate})`}`,
    `weight decay ${weightDecay}`,
    ...(labelSmoothing > 0 ? [`label smoothing ${labelSmoothing}`] : []),
    ...(augment === "none" ? [] : [augment]),
    `seed ${seed}`,
  ].join(", ");
}

function describeTeacher({ network }: TeacherRecord, { teacher, alpha = 0, temperature, beta = 0 }: Settings): string {
  const losses = [
    ...(beta > 0 ? [`attention transfer β ${beta}`] : []),
    ...(alpha > 0 ? [`distillation α ${alpha} at temperature ${temperature}`] : []),
  ];
  return `${network} of ${teacher}, ${losses.join(", ") || "without effect"}`;
}

function describeEpoch(metrics: EpochMetrics, epochs: number): string {
  const { epoch, trainLoss, trainAccuracy, testLoss, testAccuracy, learningRate, seconds, testSeconds, imagesPerSecond, peakBytes } =
    metrics;
  const test =
    testLoss === null || testAccuracy === null ? [] : [`test loss ${testLoss.toFixed(4)} accuracy ${formatPercent(testAccuracy)}`];
  const averaged = metrics.averagedTestAccuracy === undefined ? [] : [`averaged ${formatPercent(metrics.averagedTestAccuracy)}`];
  return [
    `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`,
    `train loss ${trainLoss.toFixed(4)} accuracy ${formatPercent(trainAccuracy)}`,
    ...test,
    ...averaged,
    `rate ${formatRate(learningRate)}`,
    formatDuration(seconds + testSeconds),
    `${formatCount(imagesPerSecond)} images/s`,
    formatMegabytes(peakBytes),
  ].join("  ");
}

/** The warning stands at the start and at the end of the output, so that nobody takes these accuracies for those of the real images. */
function fallbackWarning({ wanted, reason }: DataFallback): string {
  const name = displayName(wanted);
  const rule = "!".repeat(72);
  return [
    rule,
    `!!  NOT ${name}: training on built-in SYNTHETIC images instead.`,
    `!!  ${name} could not be had: ${reason}`,
    "!!  Accuracies below say nothing about the real data set.",
    `!!  To use it: connect to a network, or name its folder with --folder.`,
    rule,
    "",
  ].join("\n");
}
