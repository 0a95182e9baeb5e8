/** Tables whose columns a reader can sort. */

import { escaped } from "./svg.ts";

/** A cell: its text, and the number by which the column is sorted. Without a number the text is sorted. */
export interface Cell {
  readonly text: string;
  readonly value?: number;
}

export const words = (text: string): Cell => ({ text });

/** A number that may be missing. Missing numbers sort last. */
export const numeric = (value: number | undefined, format: (value: number) => string): Cell =>
  value === undefined ? { text: "–", value: Number.POSITIVE_INFINITY } : { text: format(value), value };

export const count = (value: number): string => value.toLocaleString("en-US");

/** A table in a box that scrolls sideways where the screen is narrow. The first cell of each row is the row's heading. */
export function sortableTable(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const heads = columns.map((name) => `<th scope="col"><button type="button">${escaped(name)}</button></th>`);
  const body = rows.map((cells) => `<tr>${cells.map(cell).join("")}</tr>`);
  return scrolled(`<table class="sortable"><thead><tr>${heads.join("")}</tr></thead><tbody>${body.join("")}</tbody></table>`);
}

function cell({ text, value }: Cell, column: number): string {
  const attribute = value === undefined ? "" : ` data-value="${value}"`;
  if (column === 0) return `<th scope="row"${attribute}>${escaped(text)}</th>`;
  return `<td${value === undefined ? ' class="word"' : ""}${attribute}>${escaped(text)}</td>`;
}

export const scrolled = (table: string): string => `<div class="scroll">${table}</div>`;
