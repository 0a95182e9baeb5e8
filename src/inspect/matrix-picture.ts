/** A picture of a matrix and of its factors, as a PNG. Negative numbers are blue, zeros are white, and positive numbers are red. */

import { encode } from "fast-png";
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
// These are the ends of ColorBrewer's diverging scale RdBu. They are equally dark, and people of any colour vision can tell them apart.
const below: Colour = [33, 102, 172];
const above: Colour = [178, 24, 43];

/** The colour of a share in [−1, 1] of the largest value. It is white at 0, and has full strength at ±1. */
export function colourOf(share: number): Colour {
  const end = share < 0 ? below : above;
  const weight = Math.min(1, Math.abs(share));
  return end.map((channel) => Math.round(255 + (channel - 255) * weight)) as unknown as Colour;
}

/**
 * The layout of a tensor: `down` × `across` blocks of `rows` × `columns` numbers. The last blocks, and the end of a vector's last row, may
 * be empty.
 */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  readonly down: number;
  readonly across: number;
}

/** The longest vector that is drawn as one row. A longer vector is wrapped. */
const longestRow = 128;

/**
 * The layout for a shape. A vector is one row, and a matrix is one block. A tensor of more axes has one block of its last two axes for each
 * index before.
 */
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

/** The number of pixels between blocks. */
const seam = 3;

const margin = 16;
const gap = 20;
const letterScale = 2;
const captionHeight = letterHeight * letterScale + 6;

interface Panel {
  readonly values: NamedValues;
  readonly grid: Grid;
  /** The side of a number's square, in pixels. */
  readonly zoom: number;
  /** The largest absolute value, which has the full colour. */
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

/**
 * Places panels below each other, and starts a new column where a column would become higher than `height`. x and y are the top-left
 * corners.
 */
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

/**
 * The bytes of a PNG. `whole` is large on the left, and its factors are on the right. Each has its own scale, which is written below its
 * name.
 */
export function drawMatrix(whole: NamedValues, factors: readonly NamedValues[]): Uint8Array {
  const [rows, columns] = whole.shape as [number, number];
  // The layout of a matrix of one column is given here, because `gridOf` would draw it as a row.
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
  const width = Math.max(...placed.map(({ panel, x }) => x + panel.width)) + margin;
  const height = Math.max(...placed.map(({ panel, y }) => y + panel.height)) + margin;
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
