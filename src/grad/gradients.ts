/** Reverse-mode differentiation: the cotangents of a loss, carried back along the origins of tensors and added up where paths meet. */

import { kernels } from "../backend/active.ts";
import { GradientError } from "../core/errors.ts";
import { checkOptions, kindOf, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { full, zeros } from "../ops/creation.ts";
import { add } from "../ops/elementwise.ts";
import { reshape } from "../ops/reshape.ts";
import { noGrad } from "../tape/tape.ts";
import { tapeObserver } from "../tape/tape-observer.ts";
import { scope } from "../tensor/scope.ts";
import { share, Tensor, type Vjp } from "../tensor/tensor.ts";

/** The options of `gradients`. */
export interface GradientOptions {
  /** The cotangent of `loss`, with the same shape and dtype. Default: 1, for a loss of one element. Any other loss needs a seed. */
  readonly seed?: Tensor;
  /** Whether the gradients get origins, so that they can be differentiated again. Default: false. */
  readonly createGraph?: boolean;
  /**
   * Whether each tensor between `wrt` and the loss is disposed of as soon as the walk has used it. The activations of the last layers are
   * then gone when the walk reaches the first ones, so a training step holds less memory at its peak. `wrt`, the loss, data and parameters
   * stay. Tensors that are read afterwards, such as logits, must be detached before. Default: false.
   */
  readonly freeGraph?: boolean;
  /** What to do about a tensor that the loss does not depend on: throw an error, or return zeros for it. Default: "error". */
  readonly unused?: "error" | "zeros";
}

/** The names of `GradientOptions`. */
export const gradientOptions: OptionNames = optionNames<GradientOptions>({ seed: true, createGraph: true, freeGraph: true, unused: true });

/**
 * ∂loss/∂w for each w of `wrt`, in the order of `wrt`. The function is pure: it stores nothing on the tensors, so there is nothing to set
 * to zero before the next call.
 * @throws GradientError for a loss of more than one element without a seed, for a tensor that the loss does not depend on, for a VJP whose
 * result does not fit its input, or for `freeGraph` with `createGraph`.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[], options: GradientOptions = {}): Tensor[] {
  checkOptions("gradients", options, gradientOptions);
  for (const [name, list] of [
    ["loss", [loss]],
    ["wrt", wrt],
  ] as const)
    if (!Array.isArray(list) || !list.every((each) => each instanceof Tensor))
      throw new GradientError(
        `gradients: ${name === "loss" ? "the loss must be a tensor" : "wrt must be an array of tensors"}, ` +
          `got ${kindOf(name === "loss" ? loss : Array.isArray(list) ? list.find((each) => !(each instanceof Tensor)) : list)}; ` +
          "write gradients(loss, [x]), or gradients(loss, optimizer.values) for the parameters of a network",
      );
  if (options.seed === undefined && loss.size !== 1)
    throw new GradientError(
      `gradients: the loss must have one element, got ${formatShape(loss.shape)}; sum it, or pass a seed of its shape`,
    );
  const { seed } = options;
  if (seed !== undefined && (!sameShape(seed.shape, loss.shape) || seed.dtype !== loss.dtype))
    throw new GradientError(
      "gradients: the seed must have the shape and dtype of the loss, " +
        `got ${seed.dtype} ${formatShape(seed.shape)} for ${loss.dtype} ${formatShape(loss.shape)}`,
    );
  const { createGraph = false, freeGraph = false, unused = "error" } = options;
  if (createGraph && freeGraph)
    throw new GradientError("gradients: freeGraph must be false with createGraph, because the new graph needs the tensors of the old one");
  return walked(createGraph, () =>
    backward(loss, wrt, seed ?? full(loss.shape, 1, { dtype: loss.dtype }), { createGraph, freeGraph }).map(
      (g, i) => g ?? missing(wrt[i]!, i, unused),
    ),
  );
}

/** As `gradients`, without its checks. The cotangent of a tensor that `y` does not depend on is undefined. */
export const cotangentsOf = (y: Tensor, wrt: readonly Tensor[], seed: Tensor, createGraph: boolean): (Tensor | undefined)[] =>
  walked(createGraph, () => backward(y, wrt, seed, { createGraph, freeGraph: false }));

/** The result of a walk. What is not recorded is freed, except for the result. */
const walked = <T>(createGraph: boolean, walk: () => T): T => (createGraph ? walk() : noGrad(() => scope(walk)));

/**
 * The tensors on the paths from the loss to `wrt`, in an order in which each tensor comes after all tensors computed from it. The
 * depth-first search keeps a stack of its own, because recursion would overflow the call stack on a deep network.
 */
function pathsTo(loss: Tensor, wrt: ReadonlySet<Tensor>): Tensor[] {
  /** Whether a path leads from the tensor to `wrt`. */
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
        leads.set(input, false); // The final answer comes before it is read, because the graph has no cycles.
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

type Walk = Required<Pick<GradientOptions, "createGraph" | "freeGraph">>;

/**
 * The walk back from the loss. Without `createGraph`, every cotangent in the map holds its own storage, so it is freed as soon as the VJPs
 * of its tensor have used it. With `createGraph`, cotangents belong to the new graph, and the scope around frees them.
 *
 * A VJP reads the inputs and the value of its op. Both come later in the order than everything computed from them, so `freeGraph` frees a
 * tensor when its own VJPs have run.
 */
function backward(loss: Tensor, wrt: readonly Tensor[], seed: Tensor, { createGraph, freeGraph }: Walk): (Tensor | undefined)[] {
  const wanted = new Set(wrt);
  const order = pathsTo(loss, wanted);
  const onPath = new Set(order);
  const cotangents = new Map<Tensor, Tensor>([[loss, createGraph ? seed : share(seed)]]);
  for (const tensor of order) {
    const cotangent = cotangents.get(tensor);
    if (cotangent === undefined || tensor.origin === undefined) continue;
    const contributions = createGraph
      ? pullBack(tensor, cotangent, onPath)
      : scope(() => pullBack(tensor, cotangent, onPath).map((contribution) => contribution && share(contribution)));
    contributions.forEach((contribution, i) => {
      if (contribution === undefined) return;
      const input = tensor.origin!.inputs[i]!;
      const before = cotangents.get(input);
      const sum = createGraph ? add : addedInPlace;
      const total = before === undefined ? contribution : sum(before, contribution);
      cotangents.set(input, total);
      if (before !== undefined) tapeObserver?.sum(input, total);
    });
    if (!createGraph && !wanted.has(tensor)) {
      cotangents.delete(tensor);
      cotangent.dispose();
      if (freeGraph && tensor !== loss) tensor.dispose();
    }
  }
  // One cotangent may belong to several tensors, as that of add does, or it may be the caller's seed. reshape gives each result a tensor of
  // its own.
  return wrt.map((w) => {
    const cotangent = cotangents.get(w);
    return cotangent && reshape(cotangent, w.shape);
  });
}

/** a + b in the place of one of the two, if nothing else holds that one, and else in a new place. The other is freed. */
function addedInPlace(a: Tensor, b: Tensor): Tensor {
  const [target, term] = a.storage.exclusive ? [a, b] : [b, a];
  if (!target.storage.exclusive) {
    const sum = add(a, b);
    target.dispose();
    term.dispose();
    return sum;
  }
  kernels().accumulate(target.storage, term.storage);
  term.dispose();
  return target;
}

/**
 * One step back: the contribution of `tensor` to the cotangent of each input on a path.
 * @throws GradientError for one that does not fit its input.
 */
function pullBack(tensor: Tensor, cotangent: Tensor, onPath: ReadonlySet<Tensor>): (Tensor | undefined)[] {
  const { op, inputs, vjp } = tensor.origin!;
  const needed = inputs.map((input) => onPath.has(input));
  const joint = typeof vjp === "function" ? vjp(cotangent, needed) : undefined;
  return inputs.map((input, i) => {
    if (!needed[i]) return undefined;
    const contribution = joint === undefined ? (vjp as readonly (Vjp | undefined)[])[i]?.(cotangent) : joint[i];
    if (contribution !== undefined && (!sameShape(contribution.shape, input.shape) || contribution.dtype !== input.dtype))
      throw new GradientError(
        `${op}: the VJP of input ${i} must have the input's shape and dtype, ` +
          `got ${contribution.dtype} ${formatShape(contribution.shape)} for ${input.dtype} ${formatShape(input.shape)}`,
      );
    if (contribution !== undefined) tapeObserver?.gradient(tensor, i, contribution);
    return contribution;
  });
}

/** The gradient of a tensor that the loss does not depend on. */
function missing(w: Tensor, index: number, unused: "error" | "zeros"): Tensor {
  if (unused === "error")
    throw new GradientError(
      `gradients: the loss must depend on every tensor of wrt, and does not on wrt[${index}] ${formatShape(w.shape)}; ` +
        'pass { unused: "zeros" } to get zeros for it. What is computed in noGrad depends on nothing',
    );
  return zeros(w.shape, { dtype: w.dtype });
}
