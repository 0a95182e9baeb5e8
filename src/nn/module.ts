/**
 * Modules form a tree, and the entries of its state have PyTorch's names. A name such as `block1.0.layer.0.bn1.weight` is the path to the
 * entry: field names and array indices. So a state dict of PyTorch can be loaded here, and one from here can be loaded there.
 */

import type { Context } from "../core/context.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { overwriteState, type StateValues } from "./load-state.ts";
import { Counter, isState, type ModuleState, Parameter } from "./state.ts";

/** A part of a network. Subclasses declare parameters, buffers, counters and submodules as public fields. */
export abstract class Module {
  /** Every parameter, buffer and counter by its full name, in the order of declaration. */
  state(): Map<string, ModuleState> {
    const found = new Map<string, ModuleState>();
    const visit = (value: unknown, name: string): void => {
      if (isState(value)) found.set(name, value);
      else if (value instanceof Module || Array.isArray(value))
        for (const [key, part] of value instanceof Module ? value.parts() : Object.entries(value))
          visit(part, name === "" ? key : `${name}.${key}`);
    };
    visit(this, "");
    return found;
  }

  /** The parts of the module by name. A wrapper overrides this method to list the parts of what it wraps beside its own. */
  protected parts(): Iterable<[string, unknown]> {
    return Object.entries(this);
  }

  /** The parameters by name. */
  parameters(): Map<string, Parameter> {
    return new Map([...this.state()].filter((entry): entry is [string, Parameter] => entry[1] instanceof Parameter));
  }

  /** This module and every module below it, parents first. */
  modules(): Module[] {
    const below = (value: unknown): Module[] =>
      value instanceof Module ? value.modules() : Array.isArray(value) ? value.flatMap(below) : [];
    return [this, ...Object.values(this).flatMap(below)];
  }

  /** The number of trainable numbers: Σ of the parameters' sizes. */
  parameterCount(): number {
    return [...this.parameters().values()].reduce((total, { value }) => total + value.size, 0);
  }

  /**
   * Overwrites the whole state with the values of the same names. Nothing is written unless everything fits.
   * @throws DataError with the name of every entry that is missing, unknown, of another shape, or a counter whose value is no whole number.
   */
  loadState(values: StateValues): void {
    overwriteState("loadState", this.state(), values);
  }

  /** Frees every parameter and buffer. The module cannot be used afterwards. */
  dispose(): void {
    for (const state of this.state().values()) if (!(state instanceof Counter)) state.value.dispose();
  }
}

/** A module from one tensor to one tensor. */
export abstract class Layer extends Module {
  abstract forward(x: Tensor, context: Context): Tensor;
}
