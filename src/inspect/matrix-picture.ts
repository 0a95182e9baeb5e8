/** A matrix beside the factors it is made of, as a PNG: blue below zero, white at zero, red above. */

import { encode } from "fast-png";
import { maximumOf } from "../core/extremes.ts";
import { sizeOf } from "../core/shape.ts";
import { eachDot, letterHeight, textWidth } from "./pixel-letters.ts";

/** Numbers with a name, of any shape. */
export interface NamedValues {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

type Colour = readonly [number, number, number];

const background: Colour = [255, 255, 255];
const ink: Colour = [40, 40, 40];
const faint: Colour = [170, 170, 170];
// The ends of ColorBrewer's diverging scale RdBu: told apart with any kind of colour vision, and as dark as each other.
const below: Colour = [33, 102, 172];
const above: Colour = [178, 24, 43];

/** White at 0, full colour at ±1. */
export function colourOf(share: number): Colour {
  const end = share < 0 ? below : above;
  const weight = Math.min(1, Math.abs(share));
  return end.map((channel) => Math.round(255 + (channel - 255) * weight)) as unknown as Colour;
}

/** How a tensor is laid out: `down` × `across` blocks of `rows` × `columns` numbers; the last block may be missing, and the last row of a vector. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  readonly down: number;
  readonly across: number;
}

/** Longest vector drawn as one row; longer ones are wrapped. */
const longestRow = 128;

/** A matrix is one block, a vector one row; of a tensor of more axes every index of the first ones is a block of the last two, in order. */
export function gridOf(shape: readonly number[]): Grid {
  const long = shape.filter((length) => length > 1);
  const size = sizeOf(long);
  if (long.length <= 1) {
    const columns = size <= longestRow ? size : Math.ceil(Math.sqrt(size));
    return { rows: Math.ceil(size / columns), columns, down: 1, across: 1 };
  }
  const [rows, columns] = long.slice(-2) as [number, number];
  const blocks = size / (rows * columns);
  const across = Math.min(blocks, Math.max(1, Math.round(Math.sqrt((blocks * rows) / columns))));
  return { rows, columns, down: Math.ceil(blocks / across), across };
}

/** Pixels between blocks. */
const seam = 3;

const margin = 16;
const gap = 20;
const letterScale = 2;
const captionHeight = letterHeight * letterScale + 6;

interface Panel {
  readonly values: NamedValues;
  readonly grid: Grid;
  /** Pixels of a number's side. */
  readonly zoom: number;
  /** The largest absolute value: full colour. */
  readonly top: number;
  readonly captions: readonly string[];
  readonly width: number;
  readonly height: number;
}

function panelOf(values: NamedValues, side: number, grid: Grid = gridOf(values.shape)): Panel {
  const [down, across] = [grid.down * grid.rows, grid.across * grid.columns];
  const zoom = Math.max(1, Math.min(24, Math.floor(side / Math.max(down, across))));
  let top = 0;
  for (let at = 0; at < values.data.length; at++) top = Math.max(top, Math.abs(values.data[at]!));
  const captions = [`${values.name} ${values.shape.join("×")}`, `± ${Number(top.toPrecision(2))}`];
  const inner = across * zoom + (grid.across - 1) * seam + 2;
  const width = Math.max(inner, ...captions.map((caption) => textWidth(caption) * letterScale));
  const height = down * zoom + (grid.down - 1) * seam + 2 + captions.length * captionHeight;
  return { values, grid, zoom, top, captions, width, height };
}

/** Top-left corners of panels set below each other, in a new column where one would grow beyond `height`. */
function flow(panels: readonly Panel[], left: number, height: number): { panel: Panel; x: number; y: number }[] {
  let [x, y, widest] = [left, margin, 0];
  return panels.map((panel) => {
    if (y > margin && y + panel.height > margin + height) {
      x += widest + gap;
      [y, widest] = [margin, 0];
    }
    const place = { panel, x, y };
    y += panel.height + gap;
    widest = Math.max(widest, panel.width);
    return place;
  });
}

/** The bytes of a PNG: `whole` large on the left, its factors on the right; each has its own scale, which stands beside its name. */
export function drawMatrix(whole: NamedValues, factors: readonly NamedValues[]): Uint8Array {
  const [rows, columns] = whole.shape as [number, number];
  // A matrix of one column stays a column.
  const main = panelOf(whole, 448, { rows, columns, down: 1, across: 1 });
  const columnHeight = Math.max(main.height, 448);
  const placed = [
    { panel: main, x: margin, y: margin },
    ...flow(
      factors.map((values) => panelOf(values, 208)),
      margin + main.width + 2 * gap,
      columnHeight,
    ),
  ];
  const width = maximumOf(placed.map(({ panel, x }) => x + panel.width)) + margin;
  const height = maximumOf(placed.map(({ panel, y }) => y + panel.height)) + margin;
  const data = new Uint8Array(width * height * 3).fill(background[0]);
  const fill = (left: number, top: number, wide: number, high: number, colour: Colour): void => {
    for (let y = top; y < top + high; y++) for (let x = left; x < left + wide; x++) data.set(colour, (y * width + x) * 3);
  };
  for (const { panel, x, y } of placed) drawPanel(panel, x, y, fill);
  return encode({ width, height, data, channels: 3 });
}

function drawPanel(
  { values, grid, zoom, top, captions }: Panel,
  x: number,
  y: number,
  fill: (left: number, top: number, wide: number, high: number, colour: Colour) => void,
): void {
  for (const [line, caption] of captions.entries())
    eachDot(caption, (dx, dy) =>
      fill(x + dx * letterScale, y + line * captionHeight + dy * letterScale, letterScale, letterScale, line === 0 ? ink : faint),
    );
  const { rows, columns, across } = grid;
  const [wide, high] = [columns * zoom, rows * zoom];
  const area = rows * columns;
  for (let block = 0; block * area < values.data.length; block++) {
    const left = x + 1 + (block % across) * (wide + seam);
    const above = y + 1 + captions.length * captionHeight + Math.floor(block / across) * (high + seam);
    fill(left - 1, above - 1, wide + 2, high + 2, faint);
    fill(left, above, wide, high, background);
    for (let at = 0; at < area && block * area + at < values.data.length; at++) {
      const share = values.data[block * area + at]! / (top || 1);
      fill(left + (at % columns) * zoom, above + Math.floor(at / columns) * zoom, zoom, zoom, colourOf(share));
    }
  }
}
