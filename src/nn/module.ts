/**
 * Modules: a tree of layers whose state has PyTorch's names. A field's name is its part of the name, an array's index another, so
 * `block1.0.layer.0.bn1.weight` is read off the objects themselves and a state dict moves both ways.
 */

import { kernels } from "../backend/active.ts";
import type { Context } from "../core/context.ts";
import { DataError, ShapeError } from "../core/errors.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../core/shape.ts";
import { keep } from "../tensor/scope.ts";
import { type DType, type TypedArray, typedArray } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ChannelAffine } from "./channel-affine.ts";

/** One named entry of a state dict. */
export interface State {
  readonly shape: Shape;
  readonly dtype: DType;
  read(): Promise<TypedArray>;
  /** @throws ShapeError unless there is one value per element. */
  write(values: ArrayLike<number>): void;
}

function writeAll(target: Tensor, values: ArrayLike<number>): void {
  if (values.length !== target.size)
    throw new ShapeError(`write: needs one value per element of ${formatShape(target.shape)}, got ${values.length}`);
  kernels().write(target.storage, values);
}

/** Which weight-decay group a parameter belongs to: that of ordinary weights, or of structured maps, whose decay is scaled by the compression ratio. */
export type Decay = "full" | "compressed";

/** A tensor that training changes. Its storage stays the same for life: optimisers update it in place. */
export class Parameter implements State {
  readonly value: Tensor;
  readonly decay: Decay;

  constructor(value: Tensor, decay: Decay = "full") {
    this.value = keep(value);
    this.decay = decay;
  }

  get shape(): Shape {
    return this.value.shape;
  }

  get dtype(): DType {
    return this.value.dtype;
  }

  read(): Promise<TypedArray> {
    return this.value.data();
  }

  write(values: ArrayLike<number>): void {
    writeAll(this.value, values);
  }
}

/** A tensor that travels with the parameters but has no gradient: running statistics. */
export class Buffer implements State {
  #value: Tensor;

  constructor(value: Tensor) {
    this.#value = keep(value);
  }

  get value(): Tensor {
    return this.#value;
  }

  /** Takes over `next`, freeing what was held. @throws ShapeError when shape or dtype would change. */
  set value(next: Tensor) {
    if (next === this.#value) return;
    if (!sameShape(next.shape, this.shape) || next.dtype !== this.dtype)
      throw new ShapeError(
        `Buffer: shape and dtype must stay ${this.dtype} ${formatShape(this.shape)}, got ${next.dtype} ${formatShape(next.shape)}`,
      );
    this.#value.dispose();
    this.#value = keep(next);
  }

  get shape(): Shape {
    return this.#value.shape;
  }

  get dtype(): DType {
    return this.#value.dtype;
  }

  read(): Promise<TypedArray> {
    return this.#value.data();
  }

  write(values: ArrayLike<number>): void {
    writeAll(this.#value, values);
  }
}

/** A whole number in a state dict, such as the batches a norm has seen: kept on the host, where it is counted. */
export class Counter implements State {
  readonly shape: Shape = [];
  readonly dtype = "int32" satisfies DType;
  count = 0;

  read(): Promise<TypedArray> {
    return Promise.resolve(typedArray("int32", [this.count]));
  }

  write(values: ArrayLike<number>): void {
    if (values.length !== 1) throw new ShapeError(`write: a counter is one number, got ${values.length}`);
    this.count = values[0]!;
  }
}

const isState = (value: unknown): value is Parameter | Buffer | Counter =>
  value instanceof Parameter || value instanceof Buffer || value instanceof Counter;

/** The numbers of a state dict, by name. */
export type StateValues = ReadonlyMap<string, { readonly shape: Shape; readonly data: ArrayLike<number> }>;

/** What keeps `given` from being written to a state, if anything does. */
function misfit({ shape, dtype }: State, given: { readonly shape: Shape; readonly data: ArrayLike<number> }): string | undefined {
  if (!sameShape(given.shape, shape)) return `${formatShape(given.shape)} instead of ${formatShape(shape)}`;
  if (given.data.length !== sizeOf(shape)) return `${given.data.length} values for ${formatShape(shape)}`;
  if (dtype === "int32" && !Array.from(given.data).every(Number.isSafeInteger)) return `${Array.from(given.data)} instead of whole numbers`;
  return undefined;
}

/**
 * Overwrites every entry of `own` with the values of its name. Nothing is written unless everything fits.
 * @throws DataError naming every entry that is missing, unknown, of another shape, or a counter that is no whole number.
 */
export function overwriteState(op: string, own: ReadonlyMap<string, State>, values: StateValues): void {
  const faults = [
    ...[...own.keys()].filter((name) => !values.has(name)).map((name) => `${name} is missing`),
    ...[...values.keys()].filter((name) => !own.has(name)).map((name) => `${name} is unknown`),
    ...[...own].flatMap(([name, state]) => {
      const given = values.get(name);
      const fault = given && misfit(state, given);
      return fault === undefined ? [] : [`${name} is ${fault}`];
    }),
  ];
  if (faults.length > 0) {
    const more = faults.length > 5 ? ` and ${faults.length - 5} more` : "";
    throw new DataError(`${op}: the state must fit the network, got ${faults.slice(0, 5).join("; ")}${more}`);
  }
  for (const [name, state] of own) state.write(values.get(name)!.data);
}

/** A part of a network. Subclasses declare parameters, buffers and submodules as fields. */
export abstract class Module {
  /** Every parameter, buffer and counter by its full name, in order of declaration. */
  state(): Map<string, Parameter | Buffer | Counter> {
    const found = new Map<string, Parameter | Buffer | Counter>();
    const visit = (value: unknown, name: string): void => {
      if (isState(value)) found.set(name, value);
      else if (value instanceof Module || Array.isArray(value))
        for (const [key, part] of value instanceof Module ? value.parts() : Object.entries(value))
          visit(part, name === "" ? key : `${name}.${key}`);
    };
    visit(this, "");
    return found;
  }

  /** What the module is made of, by name. A wrapper overrides it to let the parts of what it wraps stand beside its own. */
  protected parts(): Iterable<[string, unknown]> {
    return Object.entries(this);
  }

  /** The parameters by name. */
  parameters(): Map<string, Parameter> {
    return new Map([...this.state()].filter((entry): entry is [string, Parameter] => entry[1] instanceof Parameter));
  }

  /** This module and all below it, parents first. */
  modules(): Module[] {
    const below = (value: unknown): Module[] =>
      value instanceof Module ? value.modules() : Array.isArray(value) ? value.flatMap(below) : [];
    return [this, ...Object.values(this).flatMap(below)];
  }

  /** Number of trainable numbers: Σ of the parameters' sizes. */
  parameterCount(): number {
    return [...this.parameters().values()].reduce((total, { value }) => total + value.size, 0);
  }

  /**
   * Overwrites the whole state with `values` by name. Nothing is written unless everything fits.
   * @throws DataError naming every entry that is missing, unknown or of another shape.
   */
  loadState(values: StateValues): void {
    overwriteState("loadState", this.state(), values);
  }

  /** Frees every parameter and buffer; the module is of no use afterwards. */
  dispose(): void {
    for (const state of this.state().values()) if (!(state instanceof Counter)) state.value.dispose();
  }
}

/**
 * A module from one tensor to one tensor. What a layer says of itself in evaluation is read by `foldBatchNorm`, which runs unrecorded and in a
 * scope: layers that have nothing to say inherit that.
 */
export abstract class Layer extends Module {
  abstract forward(x: Tensor, context: Context): Tensor;

  /** What it computes in evaluation, with everything done that does not depend on x. Itself, where there is nothing to do. */
  folded(): Layer {
    return this;
  }

  /** s·f(x) + t as one layer, the scale and the shift taken into its own numbers; undefined where it has none that could take them. */
  absorb(_: ChannelAffine): Layer | undefined {
    return undefined;
  }

  /** The scale and the shift of each channel that it is in evaluation; undefined where it is more than that. */
  affine(): ChannelAffine | undefined {
    return undefined;
  }
}
