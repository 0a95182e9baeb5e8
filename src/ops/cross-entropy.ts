/**
 * The cross-entropy of logits in two forms. `softmaxCrossEntropyComposed` is composed of small ops. `softmaxCrossEntropy` is one kernel
 * forward and one backward on the backends that have them (docs/derivations/cross-entropy.md). The tests compare the two forms.
 * `crossEntropy` (nn/losses.ts) checks shapes, labels and the share before it calls them.
 */

import { kernels } from "../backend/active.ts";
import { isRecording, record } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { tensor } from "./creation.ts";
import { add, divide, multiply, negate, subtract } from "./elementwise.ts";
import { gather } from "./indexing.ts";
import { checkFloating, output } from "./output.ts";
import { mean } from "./reductions.ts";
import { reshape } from "./reshape.ts";
import { logSoftmax, softmax } from "./softmax.ts";

/** `softmaxCrossEntropy` composed of small ops: the same value and the same gradient. @throws ShapeError for an int32 tensor. */
export function softmaxCrossEntropyComposed(logits: Tensor, labels: Int32Array, labelSmoothing = 0): Tensor {
  checkFloating("crossEntropy", logits);
  const positions = labels.map((label, n) => n * logits.shape[1]! + label);
  const logProbabilities = logSoftmax(logits);
  const chosen = mean(gather(reshape(logProbabilities, [logits.size]), tensor(positions)));
  if (labelSmoothing === 0) return negate(chosen);
  return negate(add(multiply(chosen, 1 - labelSmoothing), multiply(mean(logProbabilities), labelSmoothing)));
}

/**
 * L = (1/N) Σ_n −Σ_c q_nc·log softmax(x_n)_c, where q_n = (1 − s)·onehot(label_n) + s/classes. The share s is `labelSmoothing`, by default
 * 0.   logits:[N,classes] → L:[].   VJP: x̄ = L̄·(softmax(x) − q)/N.
 * @param labels A number in [0, classes) for each row of logits.
 * @throws ShapeError for an int32 tensor.
 */
export function softmaxCrossEntropy(logits: Tensor, labels: Int32Array, labelSmoothing = 0): Tensor {
  const { crossEntropy: forward, crossEntropyGradient: backward } = kernels();
  if (forward === undefined || backward === undefined || logits.size === 0)
    return softmaxCrossEntropyComposed(logits, labels, labelSmoothing);
  checkFloating("crossEntropy", logits);
  const [rows, classes] = logits.shape as [number, number];
  const geometry = { rows, classes, labelSmoothing };
  const targets = tensor(labels);
  const { loss, ...fused } = forward(logits.storage, targets.storage, geometry);
  const [maximum, sum] = [output([rows], fused.maximum), output([rows], fused.sum)];
  const composed = (g: Tensor): Tensor => {
    const spread = Float64Array.from({ length: rows * classes }, (_, at) => {
      const isTarget = at % classes === labels[Math.floor(at / classes)];
      return labelSmoothing / classes + (isTarget ? 1 - labelSmoothing : 0);
    });
    const q = tensor(spread, { shape: [rows, classes], dtype: logits.dtype });
    return multiply(subtract(softmax(logits), q), divide(g, rows));
  };
  const atOnce = (g: Tensor): Tensor => {
    const statistics = { maximum: maximum.storage, sum: sum.storage };
    return output(logits.shape, backward(logits.storage, targets.storage, statistics, g.storage, geometry));
  };
  return record("softmaxCrossEntropy", {
    inputs: [logits],
    value: output([], loss),
    vjp: [(g) => (isRecording() ? composed(g) : atOnce(g))],
  });
}
