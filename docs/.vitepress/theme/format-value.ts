/** Values as Node's `console.log` prints them, as far as the cells of the course need it: on one line, and without colours. */

/** The method by which tensors and networks say how they print. */
const inspectKey = Symbol.for("nodejs.util.inspect.custom");

const isPrintable = (value: object): value is { [inspectKey](): string } => inspectKey in value;

/** The text of a value; `isInner` for a value inside another one, where strings have quotes. */
export function formatValue(value: unknown, isInner = false): string {
  if (typeof value === "string") return isInner ? `'${value}'` : value;
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "function") return value.name === "" ? "[Function (anonymous)]" : `[Function: ${value.name}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (isPrintable(value)) return value[inspectKey]();
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  const list = (values: Iterable<unknown>): string => [...values].map((each) => formatValue(each, true)).join(", ");
  if (Array.isArray(value)) return value.length === 0 ? "[]" : `[ ${list(value)} ]`;
  const name = value.constructor?.name;
  if (ArrayBuffer.isView(value)) return `${name}(${(value as Float32Array).length}) [ ${list(value as Float32Array)} ]`;
  const fields = Object.entries(value).map(([key, field]) => `${key}: ${formatValue(field, true)}`);
  const prefix = name === undefined || name === "Object" ? "" : `${name} `;
  return fields.length === 0 ? `${prefix}{}` : `${prefix}{ ${fields.join(", ")} }`;
}
