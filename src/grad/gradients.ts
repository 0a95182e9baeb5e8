/** Reverse mode: from a loss back along the origins of its tensors, adding up cotangents, to the tensors asked for. */

import { GradientError } from "../core/errors.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { full, zeros } from "../ops/creation.ts";
import { add } from "../ops/elementwise.ts";
import { reshape } from "../ops/reshape.ts";
import { noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import { share, type Tensor } from "../tensor/tensor.ts";

export interface GradientOptions {
  /** The cotangent of `loss`, of its shape; 1 by default, which needs a loss of one element. */
  readonly seed?: Tensor;
  /** Record the gradients too, so that they can be differentiated again. */
  readonly createGraph?: boolean;
  /** What to give for a tensor the loss does not depend on: an error (default) or zeros. */
  readonly unused?: "error" | "zeros";
}

/**
 * ∂loss/∂w for each w of `wrt`, in order. Pure: nothing is stored on tensors, nothing needs zeroing.
 * @throws GradientError for a loss of more than one element without a seed, a tensor the loss does not depend on, or a VJP whose result
 * does not fit its input (named by op).
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[], options: GradientOptions = {}): Tensor[] {
  if (options.seed === undefined && loss.size !== 1)
    throw new GradientError(
      `gradients: the loss must have one element, got ${formatShape(loss.shape)}; sum it, or pass a seed of its shape`,
    );
  const { seed } = options;
  if (seed !== undefined && (!sameShape(seed.shape, loss.shape) || seed.dtype !== loss.dtype))
    throw new GradientError(
      `gradients: the seed must fit the loss, got ${seed.dtype} ${formatShape(seed.shape)} for ${loss.dtype} ${formatShape(loss.shape)}`,
    );
  const walk = (): Tensor[] => backward(loss, wrt, seed ?? full(loss.shape, 1, { dtype: loss.dtype }), options);
  return options.createGraph ? walk() : noGrad(() => scope(walk));
}

/** Tensors between the loss and `wrt`, each after everything computed from it. Iterative: deep networks would overflow the call stack. */
function pathsTo(loss: Tensor, wrt: ReadonlySet<Tensor>): Tensor[] {
  const leads = new Map<Tensor, boolean>();
  const order: Tensor[] = [];
  const stack: { tensor: Tensor; next: number }[] = [{ tensor: loss, next: 0 }];
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const { tensor } = top;
    const inputs = tensor.origin?.inputs ?? [];
    const input = inputs[top.next++];
    if (input !== undefined) {
      if (!leads.has(input)) {
        leads.set(input, false); // seen: a graph without cycles never asks before the answer is there
        stack.push({ tensor: input, next: 0 });
      }
      continue;
    }
    const reaches = wrt.has(tensor) || inputs.some((i) => leads.get(i));
    leads.set(tensor, reaches);
    if (reaches) order.push(tensor);
    stack.pop();
  }
  return order.reverse();
}

/** Cotangents by tensor. Unless a graph is wanted each owns its storage, so it can be freed as soon as it has been passed on. */
function backward(
  loss: Tensor,
  wrt: readonly Tensor[],
  seed: Tensor,
  { createGraph = false, unused = "error" }: GradientOptions,
): Tensor[] {
  const wanted = new Set(wrt);
  const order = pathsTo(loss, wanted);
  const onPath = new Set(order);
  const cotangents = new Map<Tensor, Tensor>([[loss, createGraph ? seed : share(seed)]]);
  for (const tensor of order) {
    const g = cotangents.get(tensor);
    if (g === undefined || tensor.origin === undefined) continue;
    const contributions = createGraph ? pullBack(tensor, g, onPath) : scope(() => pullBack(tensor, g, onPath).map((c) => c && share(c)));
    contributions.forEach((contribution, i) => {
      if (contribution === undefined) return;
      const input = tensor.origin!.inputs[i]!;
      const before = cotangents.get(input);
      cotangents.set(input, before === undefined ? contribution : add(before, contribution));
      if (before !== undefined && !createGraph) {
        before.dispose();
        contribution.dispose();
      }
    });
    if (!createGraph && !wanted.has(tensor)) {
      cotangents.delete(tensor);
      g.dispose();
    }
  }
  // One cotangent may serve several tensors (add's does), or be the caller's seed: each result is a tensor of its own.
  return wrt.map((w, i) => reshape(cotangents.get(w) ?? missing(w, i, unused), w.shape));
}

/** One step back: the cotangent of each input that leads on. */
function pullBack(tensor: Tensor, g: Tensor, onPath: ReadonlySet<Tensor>): (Tensor | undefined)[] {
  const { op, inputs, vjp } = tensor.origin!;
  const needed = inputs.map((input) => onPath.has(input));
  const joint = typeof vjp === "function" ? vjp(g) : undefined;
  return inputs.map((input, i) => {
    if (!needed[i]) return undefined;
    const contribution = joint === undefined ? (vjp as readonly (((g: Tensor) => Tensor) | undefined)[])[i]?.(g) : joint[i];
    if (contribution !== undefined && (!sameShape(contribution.shape, input.shape) || contribution.dtype !== input.dtype))
      throw new GradientError(
        `${op}: the VJP of input ${i} must have the input's shape and dtype, got ${contribution.dtype} ${formatShape(contribution.shape)} for ${input.dtype} ${formatShape(input.shape)}`,
      );
    return contribution;
  });
}

function missing(w: Tensor, index: number, unused: "error" | "zeros"): Tensor {
  if (unused === "error")
    throw new GradientError(
      `gradients: the loss does not depend on wrt[${index}] ${formatShape(w.shape)}; pass { unused: "zeros" } if it need not`,
    );
  return zeros(w.shape, { dtype: w.dtype });
}
