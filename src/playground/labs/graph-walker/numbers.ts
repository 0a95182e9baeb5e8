/** Numbers as the walker writes them. */

import type { Shape } from "../../../core/shape.ts";
import type { Values } from "./trace.ts";

/** Three significant digits, with a real minus sign: `−0.462`, `1e-5`. */
export function formatNumber(value: number): string {
  const text = value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(3)));
  return text.replace(/^-/, "−");
}

/** The values as rows of the last axis. */
export function rowsOf(shape: Shape, values: Values): Values[] {
  const width = Math.max(1, shape.at(-1) ?? 1);
  return Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width));
}

/** The values in words: `2 and −1` or `12 values`. */
export const sayValues = (values: Values): string =>
  values.length > 5 ? `${values.length} values` : new Intl.ListFormat("en").format(values.map(formatNumber));
