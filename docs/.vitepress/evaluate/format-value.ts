/**
 * Values as Node's `console.log` prints them, without colours. Lists of more than six items stay on one line here where Node sets them in
 * columns.
 */

/** The method by which tensors and networks say how they print. */
const inspectKey = Symbol.for("nodejs.util.inspect.custom");

const isPrintable = (value: object): value is { [inspectKey](): string } => inspectKey in value && typeof value[inspectKey] === "function";

/** Node's limits: the levels below a value that are shown, the items of a list, and the columns of an object on one line. */
const limits = { depth: 2, items: 100, columns: 72 } as const;

/** The text of a value; `isInner` for a value inside another one, where strings have quotes. */
export function formatValue(value: unknown, isInner = false): string {
  return typeof value === "string" && !isInner ? value : format(value, []);
}

/** @param outer The objects that the value is inside of, from the outermost. */
function format(value: unknown, outer: readonly object[]): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return formatFunction(value);
  if (Object.is(value, -0)) return "-0";
  if (typeof value !== "object" || value === null) return String(value);
  if (outer.includes(value)) return "[Circular]";
  if (isPrintable(value)) return value[inspectKey]();
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Date || value instanceof RegExp) return value instanceof Date ? value.toISOString() : String(value);
  return formatObject(value, outer);
}

/** In single quotes, or in the first of `"` and `` ` `` that it does not contain, where it contains a single one. */
function quoted(text: string): string {
  const quote = ["'", '"', "`"].find((each) => !text.includes(each)) ?? "'";
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return quote + (text.includes(quote) ? escaped.replaceAll(quote, `\\${quote}`) : escaped) + quote;
}

function formatFunction(value: { readonly name: string }): string {
  const { name } = value;
  if (/^class\b/.test(Function.prototype.toString.call(value))) {
    const { name: parent } = Object.getPrototypeOf(value) as { readonly name: string };
    return `[class ${name || "(anonymous)"}${parent === "" ? "" : ` extends ${parent}`}]`;
  }
  return name === "" ? "[Function (anonymous)]" : `[Function: ${name}]`;
}

function formatObject(value: object, outer: readonly object[]): string {
  const { title, brackets, count, parts } = takenApart(value, (each) => format(each, [...outer, value]));
  if (count > 0 && outer.length > limits.depth) return Array.isArray(value) ? "[Array]" : `[${nameOf(value)}]`;
  return enclosed(title, brackets, count === 0 ? [] : parts());
}

/** What stands before the brackets of an object, and what stands between them. */
interface Inside {
  readonly title: string;
  readonly brackets: "[]" | "{}";
  readonly count: number;
  readonly parts: () => readonly string[];
}

const nameOf = (value: object): string => value.constructor?.name ?? "Object: null prototype";

/** @param text The text of a value inside the object. */
function takenApart(value: object, text: (value: unknown) => string): Inside {
  const sized = <T>(brackets: Inside["brackets"], list: Iterable<T>, count: number, of: (item: T) => string): Inside => ({
    title: Array.isArray(value) ? "" : `${nameOf(value)}(${count})`,
    brackets,
    count,
    parts: () => items(list, count, of),
  });
  if (Array.isArray(value)) return sized("[]", value, value.length, text);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const list = value as Float32Array;
    return sized("[]", list, list.length, text);
  }
  if (value instanceof Set) return sized("{}", value, value.size, text);
  if (value instanceof Map) return sized("{}", value, value.size, ([key, each]) => `${text(key)} => ${text(each)}`);
  const fields = Object.entries(value);
  const name = value.constructor === undefined ? `[${nameOf(value)}]` : nameOf(value);
  const parts = (): string[] => fields.map(([key, field]) => `${keyText(key)}: ${text(field)}`);
  return { title: name === "Object" ? "" : name, brackets: "{}", count: fields.length, parts };
}

const keyText = (key: string): string => (/^[A-Za-z_]\w*$/.test(key) ? key : quoted(key));

/** The texts of the first items, and how many more there are. */
function items<T>(list: Iterable<T>, count: number, text: (item: T) => string): string[] {
  const texts: string[] = [];
  for (const item of list) {
    if (texts.length === limits.items) break;
    texts.push(text(item));
  }
  const more = count - texts.length;
  return more > 0 ? [...texts, `... ${more} more item${more > 1 ? "s" : ""}`] : texts;
}

/** The parts in brackets: on one line where they are short or a long list; else one on a line. */
function enclosed(title: string, brackets: "[]" | "{}", parts: readonly string[]): string {
  const before = title === "" ? "" : `${title} `;
  if (parts.length === 0) return before + brackets;
  const line = parts.join(", ");
  const isList = brackets === "[]" && parts.length > 6;
  if (!line.includes("\n") && (isList || line.length + before.length <= limits.columns))
    return `${before}${brackets[0]} ${line} ${brackets[1]}`;
  const block = parts.join(",\n").replaceAll("\n", "\n  ");
  return `${before}${brackets[0]}\n  ${block}\n${brackets[1]}`;
}
