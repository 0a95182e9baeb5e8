/** Tensors as text, in the layout of NumPy's `print`: aligned columns, at most 1000 elements, lines of at most 75 characters. */

import { formatShape, type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { fixedScientific, positional, scientific } from "./decimal.ts";
import type { DType, TypedArray } from "./storage.ts";

/** A tensor with more elements is abbreviated: along each axis only the first and the last `edge` elements are shown. */
const threshold = 1000;
const edge = 3;
const lineWidth = 75;
/** The most digits after the point. */
const places = 8;

type FormatNumber = (x: number) => string;

const longest = (texts: readonly string[]): number => texts.reduce((length, text) => Math.max(length, text.length), 0);

/** Integers are aligned at the right. */
function integerFormat(values: readonly number[]): FormatNumber {
  const width = longest(values.map(String));
  return (x) => String(x).padStart(width);
}

/** What a number that is not finite is called. */
const notFinite = (x: number): string => (Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf");

/** Whether numbers so unequal in size are written as `1.25e+03`. */
function needsExponents(finite: readonly number[]): boolean {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const x of finite) {
    if (x === 0) continue;
    least = Math.min(least, Math.abs(x));
    most = Math.max(most, Math.abs(x));
  }
  return most > 0 && (most >= 1e8 || least < 1e-4 || most / least > 1000);
}

/** Floating-point numbers are aligned at the point. All of them have an exponent if one needs it. */
function floatFormat(values: readonly number[], dtype: DType): FormatNumber {
  const finite = values.filter(Number.isFinite);
  const exponents = needsExponents(finite);
  const parts = finite.map((x) => {
    const [mantissa, exponent = ""] = (exponents ? scientific : positional)(x, dtype, places).split("e");
    const [whole, fraction] = mantissa!.split(".") as [string, string];
    return { whole, fraction, exponent };
  });
  const fractionWidth = longest(parts.map(({ fraction }) => fraction));
  const exponentWidth = exponents ? 1 + longest(parts.map(({ exponent }) => exponent)) : 0;
  const right = 1 + fractionWidth + exponentWidth;
  const others = longest(values.filter((x) => !Number.isFinite(x)).map(notFinite));
  const left = Math.max(longest(parts.map(({ whole }) => whole)), others - right);
  return (x) => {
    if (!Number.isFinite(x)) return notFinite(x).padStart(left + right);
    const [mantissa, exponent = ""] = (exponents ? fixedScientific(x, fractionWidth) : positional(x, dtype, places)).split("e");
    const [whole, fraction] = mantissa!.split(".") as [string, string];
    const number = `${whole.padStart(left)}.${fraction.padEnd(fractionWidth)}`;
    return exponents ? `${number}e${exponent[0]}${exponent.slice(1).padStart(exponentWidth - 2, "0")}` : number;
  };
}

/** A number alone is written with all its digits, as Python does: `0.1`, `3.0`, `1e-05`. */
function formatScalar(x: number, dtype: DType): string {
  if (dtype === "int32") return String(x);
  if (!Number.isFinite(x)) return notFinite(x);
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return scientific(x, dtype, 17).replace(".e", "e");
  return positional(x, dtype, 25).replace(/\.$/, ".0");
}

/** The positions along an axis that are shown, with −1 for the dots between the edges. */
function shownPositions(size: number, abbreviated: boolean): number[] {
  if (!abbreviated || size <= 2 * edge) return Array.from({ length: size }, (_, i) => i);
  return [0, 1, 2, -1, size - 3, size - 2, size - 1];
}

/** The values that are shown, which decide the width of the columns. */
function shownValues(shape: Shape, data: ArrayLike<number>, abbreviated: boolean): number[] {
  const strides = stridesOf(shape);
  const visit = (axis: number, start: number): number[] =>
    axis === shape.length
      ? [data[start]!]
      : shownPositions(shape[axis]!, abbreviated).flatMap((i) => (i < 0 ? [] : visit(axis + 1, start + i * strides[axis]!)));
  return visit(0, 0);
}

/** Words in lines of at most `width` characters. Every line but the first begins with `indent`. */
function wrap(words: readonly string[], indent: string, width: number): string {
  const lines: string[] = [];
  let line = indent;
  for (const [i, word] of words.entries()) {
    if (line.length > indent.length && line.length + word.length > width) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += i < words.length - 1 ? `${word} ` : word;
  }
  return [...lines, line].join("\n").slice(indent.length);
}

/** The values in nested brackets, as NumPy's `print` lays them out. */
export function formatValues(shape: Shape, data: ArrayLike<number>, dtype: DType): string {
  if (shape.length === 0) return formatScalar(data[0]!, dtype);
  if (sizeOf(shape) === 0) return "[]";
  const abbreviated = sizeOf(shape) > threshold;
  const values = shownValues(shape, data, abbreviated);
  const format = dtype === "int32" ? integerFormat(values) : floatFormat(values, dtype);
  const strides = stridesOf(shape);
  const visit = (axis: number, start: number, indent: string, width: number): string => {
    const positions = shownPositions(shape[axis]!, abbreviated);
    const at = (i: number): number => start + i * strides[axis]!;
    const left = shape.length - axis;
    if (left === 1) {
      const words = positions.map((i) => (i < 0 ? "..." : format(data[at(i)]!)));
      return `[${wrap(words, indent, width - 1)}]`;
    }
    const rows = positions.map((i) => (i < 0 ? "..." : visit(axis + 1, at(i), `${indent} `, width - 1)));
    return `[${rows.join("\n".repeat(left - 1) + indent)}]`;
  };
  return visit(0, 0, " ", lineWidth);
}

/** A tensor as text. `data` are its values; or the reason why they cannot be shown. */
export function formatTensor(shape: Shape, dtype: DType, data: TypedArray | string): string {
  const head = `Tensor ${dtype} ${formatShape(shape)}`;
  return typeof data === "string" ? `${head}, ${data}` : `${head}\n${formatValues(shape, data, dtype)}`;
}

/** Numbers nested in arrays, one level for each axis; the number itself for a scalar. */
export type NestedNumbers = number | NestedNumbers[];

/** The values as nested arrays. */
export function nestedNumbers(shape: Shape, data: ArrayLike<number>): NestedNumbers {
  const strides = stridesOf(shape);
  const visit = (axis: number, start: number): NestedNumbers =>
    axis === shape.length ? data[start]! : Array.from({ length: shape[axis]! }, (_, i) => visit(axis + 1, start + i * strides[axis]!));
  return visit(0, 0);
}
