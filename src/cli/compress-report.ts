/** What `separable compress` prints. */

import type { CompressedLayer, Compression } from "../compress/compress.ts";
import type { CompressionPlan } from "../compress/plan.ts";
import { displayName } from "../experiment/data-facts.ts";
import { formatNetwork } from "../experiment/network-spec.ts";
import type { Images } from "../experiment/node/load-images.ts";
import type { Settings } from "../experiment/setting-rules.ts";
import { networkOf } from "../experiment/settings.ts";
import { formatConvolution } from "../structured/convolution-text.ts";
import type { AttentiveClassifier, Evaluation } from "../train/evaluate.ts";
import type { CompressSource } from "./compress-source.ts";
import { formatCount, formatPercent, formatTable, plural } from "./format.ts";
import { type Terminal, writeJson } from "./terminal.ts";

/** What the command has found and made. */
export interface CompressReport {
  readonly source: CompressSource;
  readonly target: Settings;
  readonly compression: Compression<AttentiveClassifier>;
  /** Undefined for a spec that the user chose. */
  readonly plan: CompressionPlan | undefined;
  /** The test of the dense network, of the compressed one, and of that one after training; undefined where there was none. */
  readonly before: Evaluation | undefined;
  readonly after: Evaluation | undefined;
  readonly tuned: Evaluation | undefined;
  readonly images: Images | undefined;
  readonly out: string | undefined;
}

/** The error of all convolutions from which on a network that was not tested is said to have lost most of what it knew. */
const largeError = 0.5;

/**
 * The warning that the network has lost most of what it knew: more than half of its accuracy above chance, which is 1/classes. A network
 * that was not tested is judged by the error of its convolutions.
 */
export function lossWarning({ compression: { relativeError }, before, after, tuned, images }: CompressReport): string | undefined {
  if (tuned !== undefined) return undefined;
  const advice = "train it further, or choose convolutions with more parameters";
  if (before === undefined || after === undefined || images === undefined)
    return relativeError <= largeError
      ? undefined
      : `the convolutions have lost ${formatPercent(relativeError)} of their norm, so the network may know little; ` +
          `test it with eval, ${advice}`;
  const chance = 1 / images.dataset.classes.length;
  const known = before.accuracy - chance;
  // A network that knew nothing has nothing to lose.
  if (!(known > 0 && after.accuracy - chance < known / 2)) return undefined;
  return (
    `the network has lost most of its accuracy: ${formatPercent(before.accuracy)} before, ${formatPercent(after.accuracy)} after, ` +
    `${formatPercent(chance)} by chance; ${advice}`
  );
}

export function reportJson(report: CompressReport, { stdout }: Terminal): void {
  const { source, target, compression, plan, before, after, tuned, images, out } = report;
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
    conv: target.conv,
    layers: layers.map((layer, i) => ({ ...layer, ...(plan && { windows: plan.layers[i]!.chosen.windows }) })),
    ...(before && after ? { data: images?.dataset.name, before: scores(before), after: scores(after) } : {}),
    ...(tuned && { tuned: scores(tuned) }),
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

export function reportText(
  { source, target, compression, plan, before, after, images, out }: CompressReport,
  { stdout, invocation }: Terminal,
  tunes: boolean,
): void {
  const { layers, parametersBefore, parametersAfter, relativeError } = compression;
  const [was, is] = [source.settings, target].map((settings) => formatNetwork(networkOf(settings)));
  stdout.write(`${was} from ${source.checkpoint.source} → ${is}\n\n`);
  const planned = plan === undefined ? [] : ["as", "share of all"];
  const header = ["convolution", "parameters", "now", "error", "by splitting", "by structure", ...planned];
  const chosen = (i: number): string[] =>
    plan === undefined ? [] : [formatConvolution(plan.layers[i]!.chosen.spec), formatPercent(layers[i]!.parametersAfter / parametersAfter)];
  const rows = layers.map((layer, i) => [...row(layer), ...chosen(i)]);
  stdout.write(formatTable(header, rows, ["left", "right", "right", "right", "right", "right", "left", "right"]));
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
  if (out !== undefined && !tunes) stdout.write(`Written to ${out}. To train it further: ${invocation} train --resume ${out}\n`);
}

/** The accuracy of the three tests in one line. */
export function reportTuned({ before, after, tuned, images, out, target }: CompressReport, { stdout }: Terminal): void {
  const accuracies = [before, after, tuned].map((test) => (test === undefined ? "not tested" : formatPercent(test.accuracy)));
  const where = images === undefined ? "" : ` on ${displayName(images.dataset.name)}`;
  stdout.write(
    `\nTest accuracy${where}: ${accuracies[0]} before, ${accuracies[1]} after compressing, ${accuracies[2]} after tuning for ` +
      `${plural(target.epochs, "epoch")}\nWritten to ${out}\n`,
  );
}
