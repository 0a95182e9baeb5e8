/**
 * What the library recorded of a computation, as plain numbers: the graph from the origins of its tensors, and every step of `gradients`
 * as `gradients` made it.
 */

import { BackendError } from "../../../core/errors.ts";
import type { Shape } from "../../../core/shape.ts";
import { gradients } from "../../../grad/gradients.ts";
import { observeTape } from "../../../tape/tape-observer.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { Computation } from "./programs.ts";

export type Values = readonly number[];

/** A tensor of the graph. */
export interface TraceNode {
  /** The op that computed it; undefined for a leaf. */
  readonly op: string | undefined;
  /** Its name in the program, or the number that a constant stands for; undefined for values without a name. */
  readonly name: string | undefined;
  readonly kind: "parameter" | "constant" | "value";
  readonly shape: Shape;
  readonly values: Values;
  /** The nodes that it was computed from. */
  readonly inputs: readonly number[];
}

/** One step back: what the VJPs of a node gave to each of its inputs; undefined for inputs that nobody asked about. */
export interface Pull {
  readonly node: number;
  readonly contributions: readonly (Values | undefined)[];
}

export interface Trace {
  /** Inputs before what is computed from them. The last node is the loss. */
  readonly nodes: readonly TraceNode[];
  readonly pulls: readonly Pull[];
}

/** The elements of a tensor of the reference backend. @throws BackendError for a tensor on a device. */
function valuesOf(x: Tensor): Values {
  const { view } = x.storage;
  if (view === undefined) throw new BackendError("graph walker: needs tensors of the reference backend, got one on a device");
  return Array.from(view);
}

/** The tensors behind the loss, inputs first. */
function tensorsBehind(loss: Tensor): Tensor[] {
  const found = new Set<Tensor>();
  const visit = (x: Tensor): void => {
    if (found.has(x)) return;
    for (const input of x.origin?.inputs ?? []) visit(input);
    found.add(x);
  };
  visit(loss);
  return [...found];
}

/** The graph of a computation and the walk of its gradients. */
export function traceOf({ loss, parameters, constants, named }: Computation): Trace {
  const tensors = tensorsBehind(loss);
  const indexOf = new Map(tensors.map((x, i) => [x, i]));
  const names = new Map(Object.entries({ ...parameters, ...constants, ...named, loss }).map(([name, x]) => [x, name]));
  const wanted = new Set(Object.values(parameters));
  const nodes = tensors.map((x): TraceNode => {
    const values = valuesOf(x);
    const inputs = (x.origin?.inputs ?? []).map((input) => indexOf.get(input)!);
    const name = names.get(x) ?? (x.origin === undefined && values.length === 1 ? String(values[0]) : undefined);
    const kind = wanted.has(x) ? "parameter" : x.origin === undefined ? "constant" : "value";
    return { op: x.origin?.op, name, kind, shape: x.shape, values, inputs };
  });

  const pulled = new Map<number, (Values | undefined)[]>();
  const observer = {
    value: () => undefined,
    sum: () => undefined,
    gradient: (of: Tensor, input: number, contribution: Tensor): void => {
      const node = indexOf.get(of)!;
      const contributions = pulled.get(node) ?? nodes[node]!.inputs.map(() => undefined);
      contributions[input] = valuesOf(contribution);
      pulled.set(node, contributions);
    },
  };
  for (const gradient of observeTape("graph walker", observer, () => gradients(loss, [...wanted]))) gradient.dispose();
  return { nodes, pulls: [...pulled].map(([node, contributions]) => ({ node, contributions })) };
}
