/** The search for the op that computes the first number that is not finite, in the forward pass or in the backward pass. */

import { kernels } from "../backend/active.ts";
import { BackendError, DataError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import { observeTape, type TapeObserver } from "../tape/tape-observer.ts";
import type { TypedArray } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { withLayerNames } from "./layer-names.ts";
import type { Module } from "./module.ts";

/** What computed a number that is not finite. */
export interface Anomaly {
  readonly pass: "forward" | "backward";
  /** The name of the op. */
  readonly op: string;
  /** The name of the layer that called the op; undefined outside of the model, and "" for the model itself. */
  readonly layer: string | undefined;
  /** The position of the first element that is not finite, one index for each axis. */
  readonly index: readonly number[];
  /** NaN, ∞ or −∞. */
  readonly element: number;
}

/** A number that is not finite was computed. */
export class AnomalyError extends DataError {
  override name = "AnomalyError";
  readonly anomaly: Anomaly;

  constructor(message: string, anomaly: Anomaly) {
    super(message);
    this.anomaly = anomaly;
  }
}

export interface DetectAnomalyOptions {
  /** The model whose layers are named in the error. Default: none, and the error names the op only. */
  readonly model?: Module | undefined;
}

/** The names of `DetectAnomalyOptions`. */
export const detectAnomalyOptions: OptionNames = optionNames<DetectAnomalyOptions>({ model: true });

/**
 * Runs `body`, and throws at the first op whose value or gradient is not finite, as in
 * `detectAnomaly(() => gradients(lossOf(x), wrt), { model })`. Values are checked where recording is on. The search reads every element, so
 * a step takes about twice the time.
 * @throws AnomalyError with the op, the layer and the element; BackendError on a device, whose numbers cannot be read at once; ConfigError
 * when `body` is asynchronous or a generator.
 */
export function detectAnomaly<T>(body: () => T, options: DetectAnomalyOptions = {}): T {
  checkOptions("detectAnomaly", options, detectAnomalyOptions);
  const { model } = options;
  if (model === undefined) return observeTape("detectAnomaly", new Search(new Map(), () => undefined), body);
  const parameters = new Map([...model.parameters()].map(([name, { value }]) => [value, name]));
  return withLayerNames(model, (current) => observeTape("detectAnomaly", new Search(parameters, current), body));
}

class Search implements TapeObserver {
  readonly #parameters: ReadonlyMap<Tensor, string>;
  readonly #current: () => string | undefined;
  /** The layer that computed a value. */
  readonly #layers = new WeakMap<Tensor, string>();

  constructor(parameters: ReadonlyMap<Tensor, string>, current: () => string | undefined) {
    this.#parameters = parameters;
    this.#current = current;
  }

  value(op: string, inputs: readonly Tensor[], value: Tensor): void {
    const layer = this.#current();
    if (layer !== undefined) this.#layers.set(value, layer);
    const at = firstAnomaly(value);
    if (at === undefined) return;
    const sources = inputs.map((input, i) => `input ${i} (${this.#describe(input)}) ${rangeOf(input)}`);
    refuse({ pass: "forward", op, layer, ...at }, "the value", value, sources.length === 0 ? "it has no inputs" : sources.join(", "));
  }

  gradient(of: Tensor, index: number, contribution: Tensor): void {
    const at = firstAnomaly(contribution);
    if (at === undefined) return;
    const { op, inputs } = of.origin!;
    const input = inputs[index]!;
    const there = elementsOf(input)[at.flat]!;
    const what = `the gradient with respect to input ${index} (${this.#describe(input)})`;
    refuse({ pass: "backward", op, layer: this.#layers.get(of), ...at }, what, contribution, `the input is ${there} there`);
  }

  sum(of: Tensor, gradient: Tensor): void {
    const at = firstAnomaly(gradient);
    if (at === undefined) return;
    const { op = "a leaf" } = of.origin ?? {};
    const what = `the sum of the gradients with respect to ${this.#describe(of)}`;
    refuse({ pass: "backward", op, layer: this.#layers.get(of), ...at }, what, gradient, "each gradient is finite");
  }

  /** Where a tensor comes from. */
  #describe(tensor: Tensor): string {
    const name = this.#parameters.get(tensor);
    if (name !== undefined) return `the parameter ${name}`;
    if (tensor.origin === undefined) return `data ${formatShape(tensor.shape)}`;
    return `the value of ${tensor.origin.op}${inLayer(this.#layers.get(tensor))}`;
  }
}

function refuse({ pass, op, layer, index, element }: Anomaly, what: string, { shape }: Tensor, because: string): never {
  const anomaly = { pass, op, layer, index, element };
  throw new AnomalyError(
    `detect-anomaly: ${op}${inLayer(layer)}: ${what} must be finite, got ${element} at [${index.join(", ")}] of ${formatShape(shape)} ` +
      `in the ${pass} pass; ${because}`,
    anomaly,
  );
}

const inLayer = (layer: string | undefined): string => (layer === undefined ? "" : layer === "" ? " in the model itself" : ` in ${layer}`);

/** @throws BackendError for a tensor on a device. */
function elementsOf({ storage }: Tensor): TypedArray {
  if (storage.view !== undefined) return storage.view;
  throw new BackendError(
    `detect-anomaly: the numbers must be where JavaScript can read them at once, got the backend ${kernels().name}; use wasm or reference`,
  );
}

/** The first element that is not finite, with its position; undefined where every element is finite. */
function firstAnomaly(tensor: Tensor): { flat: number; index: number[]; element: number } | undefined {
  const elements = elementsOf(tensor);
  const flat = elements.findIndex((element) => !Number.isFinite(element));
  return flat === -1 ? undefined : { flat, index: indexOf(flat, tensor.shape), element: elements[flat]! };
}

/** The position of an element in row-major order, one index for each axis. */
function indexOf(flat: number, shape: Shape): number[] {
  const index: number[] = [];
  for (let axis = shape.length - 1, rest = flat; axis >= 0; rest = Math.floor(rest / shape[axis--]!)) index.unshift(rest % shape[axis]!);
  return index;
}

/** The elements of an input in words: the first one that is not finite, with its position, or else the least and the largest. */
function rangeOf(tensor: Tensor): string {
  const at = firstAnomaly(tensor);
  if (at !== undefined) return `is ${at.element} at [${at.index.join(", ")}]`;
  let [least, largest] = [Infinity, -Infinity];
  for (const element of elementsOf(tensor)) [least, largest] = [Math.min(least, element), Math.max(largest, element)];
  return least > largest ? "is empty" : `lies in [${short(least)}, ${short(largest)}]`;
}

const short = (value: number): string => String(Number(value.toPrecision(4)));
