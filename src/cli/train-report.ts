/** What `train` says while it works: to people in lines and bars, to machines as JSON lines. */

import { displayName } from "../experiment/data-facts.ts";
import { formatArchitecture } from "../experiment/network-spec.ts";
import { fallbackWarning, type Images } from "../experiment/node/load-images.ts";
import type { Session } from "../experiment/node/session.ts";
import { describeBackend } from "../experiment/node/start-backend.ts";
import type { RunConfig, TeacherRecord } from "../experiment/run-config.ts";
import type { Settings } from "../experiment/setting-rules.ts";
import { networkOf } from "../experiment/settings.ts";
import type { Evaluation } from "../train/evaluate.ts";
import type { RunFolder } from "../train/node/run-folder.ts";
import type { EpochMetrics, StepReport, Trainer } from "../train/trainer.ts";
import { classRows, formatClassTable } from "./class-table.ts";
import { formatCount, formatDuration, formatMegabytes, formatPercent, formatRate, plural } from "./format.ts";
import { type ProgressJob, type ProgressStyle, startJob } from "./progress.ts";
import { type Terminal, writeJson } from "./terminal.ts";

export interface Beginning {
  readonly config: RunConfig;
  readonly images: Images;
  readonly folder: RunFolder;
  readonly session: Session;
  readonly resumed: boolean;
}

export interface Outcome {
  readonly result: "finished" | "stopped";
  readonly interrupted: boolean;
  /** Of the last epoch, when this invocation reached it. */
  readonly evaluation: Evaluation | undefined;
  readonly images: Images;
  readonly folder: RunFolder;
  readonly trainer: Trainer;
}

export interface TrainReporter {
  start(beginning: Beginning): void;
  step(report: StepReport): void;
  testBatch(done: number): void;
  epoch(metrics: EpochMetrics): void;
  finish(outcome: Outcome): void;
  /** Something the user should know. */
  note(text: string): void;
  /** Takes bars off the screen, whatever happened. */
  stop(): void;
  /** The user wants out: the step under way is the last. */
  interrupted(): void;
}

/** Bars for the steps of an epoch and for its test. */
function bars(terminal: Terminal, style: ProgressStyle) {
  let job: ProgressJob | undefined;
  let testing = false;
  let beginning: Beginning | undefined;
  let silent = false;
  const stop = (): void => {
    job?.stop();
    job = undefined;
    testing = false;
  };
  return {
    begin(value: Beginning): void {
      beginning = value;
    },
    stop,
    interrupted(): void {
      stop();
      silent = true;
      terminal.stderr.write("Stopping after this step; once more to leave at once.\n");
    },
    step({ epoch, step, tally, learningRate }: StepReport): void {
      if (beginning === undefined || silent) return;
      const { config, session } = beginning;
      const total = session.trainer.batchesPerEpoch;
      job ??= startJob(terminal.stderr, style, { label: `epoch ${epoch + 1}/${config.settings.epochs}`, total, start: step - 1 });
      const { count, loss, correct, seconds } = tally;
      const means = `loss ${(loss / count).toFixed(3)}  accuracy ${formatPercent(correct / count)}`;
      job.update(step, `${means}  rate ${formatRate(learningRate)}  ${formatCount(count / seconds)} images/s`);
      if (step === total) stop();
    },
    testBatch(done: number): void {
      if (beginning === undefined || silent) return;
      const total = beginning.images.dataset.test.count;
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
    start(beginning) {
      progress.begin(beginning);
      const { config, images, folder, session, resumed } = beginning;
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
        ...(config.teacher === undefined ? [] : [["teacher", describeTeaching(config.teacher, settings)]]),
        ["run", resumed ? `${folder.path}, resumed after epoch ${epoch}${step > 0 ? ` and ${plural(step, "step")}` : ""}` : folder.path],
      ];
      stdout.write(`${rows.map(([name, value]) => `${name!.padEnd(9)}${value}\n`).join("")}\n`);
    },
    step: progress.step,
    testBatch: progress.testBatch,
    epoch(metrics) {
      progress.stop();
      stdout.write(`${describeEpoch(metrics, epochs)}\n`);
    },
    finish(outcome) {
      progress.stop();
      const { result, evaluation, images, folder, trainer } = outcome;
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
          `\nTest accuracy ${formatPercent(evaluation.accuracy)} (loss ${evaluation.loss.toFixed(4)}) on ${plural(evaluation.count, "image")}\n\n`,
        );
        stdout.write(`${formatClassTable(evaluation, images.dataset.classes, 20)}\n`);
      } else
        stdout.write(
          `This run has finished already${last?.testAccuracy != null ? `: test accuracy ${formatPercent(last.testAccuracy)}` : ""}.\n\n`,
        );
      const best = metrics.reduce((a, b) => ((b.testAccuracy ?? -1) > (a.testAccuracy ?? -1) ? b : a), metrics[0]!);
      if (last && best.epoch !== last.epoch && best.testAccuracy !== null)
        stdout.write(`Best was epoch ${best.epoch} with ${formatPercent(best.testAccuracy)}.\n`);
      const seconds = metrics.reduce((total, line) => total + line.seconds + line.testSeconds, 0);
      stdout.write(`Trained ${plural(metrics.length, "epoch")} in ${formatDuration(seconds)}. The run is in ${folder.path}\n`);
      stdout.write(`  config.json  metrics.jsonl  evaluation.json  checkpoint.safetensors  best.safetensors\n`);
      if (images.fallback) stderr.write(`\n${fallbackWarning(images.fallback)}`);
    },
    note: (text) => void stderr.write(`note: ${text}\n`),
    stop: progress.stop,
    interrupted: progress.interrupted,
  };
}

/** stdout carries one JSON object per line and nothing else. */
export function jsonReporter(terminal: Terminal, style: ProgressStyle): TrainReporter {
  const { stdout, stderr } = terminal;
  const progress = bars(terminal, style);
  return {
    start(beginning) {
      progress.begin(beginning);
      const { config, images, folder, session, resumed } = beginning;
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
    finish({ result, interrupted, evaluation, images, folder, trainer }) {
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
    note: (text) => void stderr.write(`note: ${text}\n`),
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
  const rule =
    optimizer === "sgd" ? `SGD with ${nesterov ? "Nesterov " : ""}momentum ${momentum}` : { adam: "Adam", adamw: "AdamW" }[optimizer];
  return [
    `${plural(epochs, "epoch")} of ${plural(trainer.batchesPerEpoch, "step")} (batch ${batchSize})`,
    rule,
    `${schedule} rate ${learningRate}`,
    `weight decay ${weightDecay}`,
    ...(labelSmoothing > 0 ? [`label smoothing ${labelSmoothing}`] : []),
    ...(augment === "none" ? [] : [augment]),
    `seed ${seed}`,
  ].join(", ");
}

function describeTeaching({ network }: TeacherRecord, { teacher, alpha = 0, temperature, beta = 0 }: Settings): string {
  const ways = [
    ...(beta > 0 ? [`attention transfer β ${beta}`] : []),
    ...(alpha > 0 ? [`distillation α ${alpha} at temperature ${temperature}`] : []),
  ];
  return `${network} of ${teacher}, ${ways.join(", ") || "without effect"}`;
}

function describeEpoch(metrics: EpochMetrics, epochs: number): string {
  const { epoch, trainLoss, trainAccuracy, testLoss, testAccuracy, learningRate, seconds, testSeconds, imagesPerSecond, peakBytes } =
    metrics;
  const test =
    testLoss === null || testAccuracy === null ? [] : [`test loss ${testLoss.toFixed(4)} accuracy ${formatPercent(testAccuracy)}`];
  return [
    `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`,
    `train loss ${trainLoss.toFixed(4)} accuracy ${formatPercent(trainAccuracy)}`,
    ...test,
    `rate ${formatRate(learningRate)}`,
    formatDuration(seconds + testSeconds),
    `${formatCount(imagesPerSecond)} images/s`,
    formatMegabytes(peakBytes),
  ].join("  ");
}
