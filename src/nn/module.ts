/**
 * Modules form a tree, and the entries of its state have PyTorch's names. A name such as `block1.0.layer.0.bn1.weight` is the path to the
 * entry: field names and array indices. So a state dict of PyTorch can be loaded here, and one from here can be loaded there.
 */

import type { Context } from "../core/context.ts";
import { ConfigError } from "../core/errors.ts";
import { inspectKey } from "../core/inspect.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import type { TypedArray } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Description, formatTree, type PrintedPart } from "./describe.ts";
import { type LoadOptions, type LoadReport, overwriteState, type StateValues } from "./load-state.ts";
import { partName, partsOfContainer } from "./parts.ts";
import { Counter, isState, type ModuleState, Parameter } from "./state.ts";

/** A step of the walk through a module: a value with its name, and the values that it lies in. */
interface Step {
  readonly name: string;
  readonly value: unknown;
  readonly above: Step | undefined;
}

/** Every module and every entry of the state below `root`, with its name, parents first. A part that is held twice is met twice. */
function* walk(root: Module, fieldsOf: (module: Module) => Iterable<[string, unknown]>): Generator<[string, Module | ModuleState]> {
  function* visit(step: Step): Generator<[string, Module | ModuleState]> {
    const { name, value } = step;
    if (isState(value)) {
      yield [name, value];
      return;
    }
    let outer = step.above;
    while (outer !== undefined && outer.value !== value) outer = outer.above;
    if (value instanceof Module) {
      if (outer !== undefined)
        throw new ConfigError(
          "Module: a module must not contain itself, " +
            `got ${outer.name === "" ? "the module itself" : `"${outer.name}"`} again as "${name}"; ` +
            "keep a reference to a parent in a #private field, where it is not searched",
        );
      yield [name, value];
    } else if (outer !== undefined) return; // A container of plain values may hold itself.
    const parts = value instanceof Module ? fieldsOf(value) : (partsOfContainer(value) ?? []);
    for (const [key, part] of parts) yield* visit({ name: partName(name, key), value: part, above: step });
  }
  yield* visit({ name: "", value: root, above: undefined });
}

/** The tree that printing shows of a value; undefined for a value that it leaves out. `above` are the modules that the value lies in. */
function printed(name: string, value: unknown, above: readonly unknown[]): PrintedPart[] {
  if (value instanceof Counter) return [];
  if (isState(value)) {
    const kind = value instanceof Parameter ? "Parameter" : "Buffer";
    return [{ name, description: `${kind} ${value.dtype} ${formatShape(value.shape)}`, parts: [] }];
  }
  if (above.includes(value)) return [];
  const within = [...above, value];
  if (!(value instanceof Module))
    return (partsOfContainer(value) ?? []).flatMap(([key, part]) => printed(partName(name, key), part, within));
  const description = value.describe();
  const fields = description.whole ? [] : Object.entries(value);
  return [{ name, description, parts: fields.flatMap(([key, part]) => printed(key, part, within)) }];
}

/** The values of one entry of a state, as they were when they were read. */
export interface StateCopy {
  readonly shape: Shape;
  readonly data: TypedArray;
}

/**
 * A part of a network. Subclasses declare parameters, buffers, counters and submodules as public fields. They may also lie in arrays, maps,
 * sets and plain objects that are public fields. JavaScript hides #private fields and the fields of other classes' instances from this
 * search: what lies there is neither trained nor saved, and `checkRegistered` and `Trainer` refuse a network that computes with it.
 */
export abstract class Module {
  /**
   * Every parameter, buffer and counter by its full name, in the order of declaration. As in PyTorch's `state_dict`, an entry that two
   * modules share has both names.
   * @throws ConfigError for a module that contains itself, or for two entries of one name.
   */
  state(): Map<string, ModuleState> {
    const found = new Map<string, ModuleState>();
    for (const [name, value] of walk(this, (module) => module.parts())) {
      if (!isState(value)) continue;
      if (found.has(name)) throw new ConfigError(`Module: names must be different, got "${name}" twice; rename a field or a key`);
      found.set(name, value);
    }
    return found;
  }

  /** The parts of the module by name. A wrapper overrides this method to list the parts of what it wraps beside its own. */
  protected parts(): Iterable<[string, unknown]> {
    return Object.entries(this);
  }

  /** The parameters by name. As in PyTorch's `named_parameters`, a shared parameter has its first name only. */
  parameters(): Map<string, Parameter> {
    const found = new Map<string, Parameter>();
    const seen = new Set<ModuleState>();
    for (const [name, value] of this.state()) {
      if (value instanceof Parameter && !seen.has(value)) found.set(name, value);
      seen.add(value);
    }
    return found;
  }

  /** This module and every module below it, parents first, each once. Their names are those of the fields that lead to them. */
  namedModules(): Map<string, Module> {
    const found = new Map<string, Module>();
    const seen = new Set<Module>();
    for (const [name, value] of walk(this, Object.entries))
      if (value instanceof Module && !seen.has(value)) {
        seen.add(value);
        found.set(name, value);
      }
    return found;
  }

  /** This module and every module below it, parents first, each once. */
  modules(): Module[] {
    return [...this.namedModules().values()];
  }

  /** The number of numbers in the parameters: Σ of their sizes. */
  parameterCount(): number {
    return [...this.parameters().values()].reduce((total, { value }) => total + value.size, 0);
  }

  /** The values of the state by name: `twin.loadState(await model.readState())` copies a network. */
  async readState(): Promise<Map<string, StateCopy>> {
    const entries = [...this.state()].map(async ([name, entry]) => [name, { shape: entry.shape, data: await entry.read() }] as const);
    return new Map(await Promise.all(entries));
  }

  /**
   * Overwrites the state with the values of the same names. Without `strict: false` nothing is written unless everything fits.
   * @returns the names that did not fit; without `strict: false` there are none.
   * @throws StateError, unless `strict` is false, with every name that is missing, unexpected or of another shape.
   */
  loadState(values: StateValues, options: LoadOptions = {}): LoadReport {
    return overwriteState("loadState", this.state(), values, { ...options, formerName: (name) => this.formerName(name) });
  }

  /** The name that an entry of the state had in files of earlier versions. Default: the same name. */
  formerName(name: string): string {
    return name;
  }

  /**
   * What printing shows of the module itself: the name of its class, its sizes and its options. A class of your own overrides it to show
   * sizes and options, and in programs that a minifier shortens, because it renames classes.
   */
  describe(): Description {
    return { kind: this.constructor.name || "Module" };
  }

  /** The module as a tree of its layers, as PyTorch prints it. `console.log` and template strings show this text too. */
  toString(): string {
    return formatTree(printed("", this, [])[0]!);
  }

  /** What Node's `console.log` shows. */
  [inspectKey](): string {
    return this.toString();
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
