/** The search of a module's fields for what the module holds: modules, and entries of the state. */

/**
 * Whether `value` is an object that was written as a literal. Instances of classes are not searched, because their fields may be anything.
 */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * The named parts of a container; undefined for a value that is no container. An array and a set name their parts by position. A plain
 * object names them by key. A map names them by key where the key is a string or a number, and by position otherwise.
 */
export function partsOfContainer(value: unknown): [string, unknown][] | undefined {
  if (Array.isArray(value)) return Object.entries(value);
  if (value instanceof Set) return [...value].map((part, i) => [String(i), part]);
  if (value instanceof Map)
    return [...value].map(([key, part], i) => [String(typeof key === "string" || typeof key === "number" ? key : i), part]);
  return isPlainObject(value) ? Object.entries(value) : undefined;
}

/** The name of a part within a whole. The whole itself has the empty name. */
export const partName = (whole: string, part: string): string => (whole === "" ? part : `${whole}.${part}`);
