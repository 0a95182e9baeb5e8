/**
 * Updates of many parameters by few launches. The parameters of a launch lie one after the other in one buffer, with their states behind
 * them, such as momenta. They are windows on the result of the launch before, so nothing is copied. Only the first launch, and one after
 * other ops have overwritten a parameter, must bring them together. WebGPU guarantees eight tensors to a program: its result, one tensor
 * for each state, and a gradient for each parameter. So a launch updates four to six parameters.
 */

import type { Storage } from "../../../tensor/storage.ts";
import type { Device } from "../device.ts";
import { type Program, program, programOf } from "../program.ts";

/** How a step changes the elements of a parameter and of its states. */
export interface UpdateRule {
  readonly name: string;
  /** The names of the parameter's element and of those of its states, as `next` reads them. The gradient's is `g`. */
  readonly states: readonly string[];
  /** The names of numbers that each parameter has of its own. */
  readonly own: readonly string[];
  /** The names of numbers that all parameters share. */
  readonly shared: readonly string[];
  /** Declares what the states become: `next0` for the parameter, `next1` for the first state and so on. */
  readonly next: string;
}

/** A parameter, with its states behind it in the order of the rule. */
export interface PackedEntry {
  readonly states: readonly Storage[];
  readonly gradient: Storage;
  readonly own: Readonly<Record<string, number>>;
}

/** The tensors of a program that WebGPU guarantees. */
const guaranteedTensors = 8;

/** A program for so many parameters. Thread `at` of section s computes an element of state s; the ends are those of the parameters. */
const updateProgram = ({ name, states, own, shared, next }: UpdateRule, count: number): Program =>
  programOf(`${name}, ${count} parameters`, (full) => {
    const at = "mad(part, negativeTotal, this.thread.x)";
    const places = Array.from({ length: count }, (_, i) => i);
    const take = (i: number): string =>
      `g = g${i}[${at}${i === 0 ? "" : ` - end${i - 1}`}]; ${own.map((number) => `${number} = ${number}${i};`).join(" ")}`;
    return program({
      name: full,
      tensors: [...states.map((state) => `${state}s`), ...places.map((i) => `g${i}`)],
      integers: ["total", "negativeTotal", "firstSection", ...places.slice(1).map((i) => `end${i - 1}`)],
      floats: [...shared, ...places.flatMap((i) => own.map((number) => `${number}${i}`))],
      body: `
    const part = idiv(this.thread.x, total);
    const section = part + firstSection;
    ${["g", ...own].map((number) => `let ${number} = 0.0;`).join("\n")}
    ${places.map((i) => `${i === count - 1 ? "" : `if (${at} < end${i}) `}{ ${take(i)} }`).join(" else ")}
    ${states.map((state) => `const ${state} = ${state}s[${at}];`).join("\n")}
    ${next}
    ${states.map((_, s) => (s === states.length - 1 ? "" : `if (section < ${s}.5) { return next${s}; }`)).join("\n")}
    return next${states.length - 1};`,
    });
  });

/** The tensors one after the other. */
const concatenation = (count: number): Program =>
  programOf(`concatenate ${count}`, (name) => {
    const places = Array.from({ length: count }, (_, i) => i);
    const part = (i: number): string => `return x${i}[this.thread.x${i === 0 ? "" : ` - end${i - 1}`}];`;
    return program({
      name,
      tensors: places.map((i) => `x${i}`),
      integers: places.slice(1).map((i) => `end${i - 1}`),
      body: places.map((i) => (i === count - 1 ? part(i) : `if (this.thread.x < end${i}) { ${part(i)} }`)).join("\n"),
    });
  });

/** Where each tensor but the last ends, when they lie one after the other: end0, end1, … */
function endsOf(tensors: readonly Storage[]): Record<string, number> {
  let end = 0;
  return Object.fromEntries(
    tensors.slice(0, -1).map(({ length }, i) => {
      end += length;
      return [`end${i}`, end];
    }),
  );
}

const named = <T>(prefix: string, values: readonly T[]): Record<string, T> =>
  Object.fromEntries(values.map((value, i) => [`${prefix}${i}`, value]));

/** The tensors in one storage, one after the other. The caller releases it. */
function concatenate(device: Device, tensors: readonly Storage[]): Storage {
  if (tensors.length === 1) {
    tensors[0]!.retain();
    return tensors[0]!;
  }
  const constants = tensors.map((tensor) => device.own(tensor).constant);
  const total = totalOf(tensors);
  if (constants[0] !== undefined && constants.every((value) => Object.is(value, constants[0])))
    return device.full("float32", total, constants[0]);
  return device.run(concatenation(tensors.length), total, { ...named("x", tensors), ...endsOf(tensors) });
}

const totalOf = (tensors: readonly Storage[]): number => tensors.reduce((sum, { length }) => sum + length, 0);

/** The entries in groups that one launch can update: by their number, and by the elements that a buffer may have. */
function* groupsOf(entries: readonly PackedEntry[], count: number, maximumElements: number): Iterable<readonly PackedEntry[]> {
  let [group, elements]: [PackedEntry[], number] = [[], 0];
  for (const entry of entries) {
    const more = totalOf(entry.states);
    if (more === 0) continue;
    if (group.length === count || (group.length > 0 && elements + more > maximumElements)) {
      yield group;
      [group, elements] = [[], 0];
    }
    group.push(entry);
    elements += more;
  }
  if (group.length > 0) yield group;
}

/**
 * Updates every entry by the rule.
 * @param fresh Whether the states count as zeros, whatever they hold. The parameters never do. Default: false.
 */
export function updatePacked(
  device: Device,
  rule: UpdateRule,
  entries: readonly PackedEntry[],
  shared: Readonly<Record<string, number>>,
  fresh = false,
): void {
  const count = guaranteedTensors - 1 - rule.states.length;
  for (const group of groupsOf(entries, count, device.maximumElements)) updateGroup(device, rule, group, shared, fresh);
}

function updateGroup(
  device: Device,
  rule: UpdateRule,
  group: readonly PackedEntry[],
  shared: Readonly<Record<string, number>>,
  fresh: boolean,
): void {
  const what = updateProgram(rule, group.length);
  const sections = rule.states.map((_, s) => group.map(({ states }) => states[s]!));
  const targets = sections.flat();
  const gradients = group.map(({ gradient }) => gradient);
  const total = totalOf(sections[0]!);
  const together = !fresh && device.areTogether(targets);
  // The first storage of a section stands for the whole section: the others follow it in the buffer.
  const states = sections.map((section, s) => {
    if (together) return section[0]!;
    return fresh && s > 0 ? device.full("float32", total, 0) : concatenate(device, section);
  });
  const inputs = {
    ...Object.fromEntries(rule.states.map((state, s) => [`${state}s`, states[s]!])),
    ...{ ...named("g", gradients), ...endsOf(gradients), ...shared, total, negativeTotal: -total },
    ...Object.fromEntries(group.flatMap(({ own }, i) => rule.own.map((number) => [`${number}${i}`, own[number]!]))),
  };
  if (totalOf(targets) <= device.maximumElements) device.update(targets, what, { ...inputs, firstSection: 0 });
  else {
    // A parameter and its states that are too large for one buffer keep one each.
    const results = sections.map((_, firstSection) => device.run(what, total, { ...inputs, firstSection }));
    for (const [s, section] of sections.entries()) device.replace(section[0]!, results[s]!);
  }
  if (!together) for (const state of states) state.release();
}
