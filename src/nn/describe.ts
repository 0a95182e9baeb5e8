/** What a module says of itself, and the tree that printing makes of it. */

import type { Padding } from "../core/convolution-geometry.ts";

/** A value in a description. */
export type Described = number | string | boolean | readonly Described[] | { readonly [name: string]: Described };

/** A module in a few words: `Conv2d(3, 16, kernel=3, stride=2)`. */
export interface Description {
  /** The name of the class. It is written out, because minifiers rename classes. */
  readonly kind: string;
  /** The sizes, which are shown without their names. Default: none. */
  readonly sizes?: readonly number[];
  /** Options with their names. Undefined options are left out. Default: none. */
  readonly options?: Readonly<Record<string, Described | undefined>>;
  /** Whether printing leaves out the modules and parameters inside. Default: false, they are printed below. */
  readonly whole?: boolean;
}

/** A module, or an entry of the state, in a printed tree. */
export interface PrintedPart {
  readonly name: string;
  /** A text stands for an entry of the state, such as `Parameter float32 [4]`. */
  readonly description: Description | string;
  readonly parts: readonly PrintedPart[];
}

const isList = (value: Described): value is readonly Described[] => Array.isArray(value);

function formatValue(value: Described): string {
  if (isList(value)) return `[${value.map(formatValue).join(",")}]`;
  if (typeof value !== "object") return String(value);
  const entries = Object.entries(value).map(([name, entry]) => `${name}:${formatValue(entry)}`);
  return `{${entries.join(",")}}`;
}

/** The value of an option as a description has it: nothing for the usual value. */
export const unlessUsual = (value: Described, usual: number): Described | undefined => (value === usual ? undefined : value);

/** The padding of a layer as a description has it. An interface is no record to the compiler, but a copy of its fields is. */
export const describedPadding = (padding: Padding): Described =>
  typeof padding === "object" && "top" in padding ? { ...padding } : padding;

/** The sizes and the options: `3, 16, kernel=3`. */
function formatArguments({ sizes = [], options = {} }: Description): string {
  const named = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${formatValue(value)}`]));
  return [...sizes.map(String), ...named].join(", ");
}

/** One line: `Conv2d(3, 16, kernel=3)`. */
export const formatDescription = (description: Description): string => `${description.kind}(${formatArguments(description)})`;

/** The tree as PyTorch prints it: every part on a line of its own, after its name in parentheses. */
export function formatTree({ description, parts }: PrintedPart): string {
  if (typeof description === "string") return description;
  if (parts.length === 0) return formatDescription(description);
  const head = formatArguments(description);
  const lines = parts.map((part) => `(${part.name}): ${formatTree(part)}`);
  const inner = (head === "" ? lines : [head, ...lines]).join("\n").replaceAll("\n", "\n  ");
  return `${description.kind}(\n  ${inner}\n)`;
}
