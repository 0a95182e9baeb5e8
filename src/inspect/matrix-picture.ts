/** Draws a matrix beside the factors that it is made of, as SVG: blue below zero, white at zero, red above. */

import { encode } from "fast-png";
import { largest } from "../core/extent.ts";
import { sizeOf } from "../core/shape.ts";
import { dataUri } from "../report/picture-png.ts";
import { element, label, picture, textWidth } from "../report/svg.ts";

/** Numbers with a name, of any shape. */
export interface NamedValues {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

type Colour = readonly [red: number, green: number, blue: number];

// The ends of ColorBrewer's diverging scale RdBu. They are equally dark, and readers with any kind of colour vision can tell them apart.
const below: Colour = [33, 102, 172];
const above: Colour = [178, 24, 43];

/** White at 0, and the full colour at ±1 and beyond. */
export function colourOf(share: number): Colour {
  const [red, green, blue] = share < 0 ? below : above;
  const weight = Math.min(1, Math.abs(share));
  const fromWhite = (channel: number): number => Math.round(255 + (channel - 255) * weight);
  return [fromWhite(red), fromWhite(green), fromWhite(blue)];
}

/** The layout of a tensor: `down` × `across` blocks of `rows` × `columns` numbers. The last block and the last row may be incomplete. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  readonly down: number;
  readonly across: number;
}

/** The longest vector that is drawn as one row. A longer one is wrapped. */
const longestRow = 128;

/** A matrix is one block, and a vector is one row. A tensor of more axes has a block of its last two axes for every index of the others. */
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

/** The pixels of a tensor: numbers are squares of `zoom` pixels, and a grey frame is around each block. */
export function pixelsOf({ data }: NamedValues, { rows, columns, down, across }: Grid, zoom: number, scale: number): Pixels {
  const [wide, high] = [columns * zoom, rows * zoom];
  const width = across * (wide + seam) - seam + 2;
  const height = down * (high + seam) - seam + 2;
  const pixels: Pixels = { width, height, data: new Uint8Array(width * height * 3).fill(255) };
  const area = rows * columns;
  for (let block = 0; block * area < data.length; block++) {
    const left = 1 + (block % across) * (wide + seam);
    const top = 1 + Math.floor(block / across) * (high + seam);
    fill(pixels, left - 1, top - 1, wide + 2, high + 2, [170, 170, 170]);
    fill(pixels, left, top, wide, high, [255, 255, 255]);
    for (let at = 0; at < area && block * area + at < data.length; at++) {
      const colour = colourOf(data[block * area + at]! / scale);
      fill(pixels, left + (at % columns) * zoom, top + Math.floor(at / columns) * zoom, zoom, zoom, colour);
    }
  }
  return pixels;
}

interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue of each pixel, row by row. */
  readonly data: Uint8Array;
}

function fill({ width, data }: Pixels, left: number, top: number, wide: number, high: number, colour: Colour): void {
  for (let y = top; y < top + high; y++) for (let x = left; x < left + wide; x++) data.set(colour, (y * width + x) * 3);
}

const [margin, gap] = [20, 28];
const [titleSize, nameSize, scaleSize] = [17, 14, 11];
/** Height of a panel's name and its colour scale. */
const captionHeight = 48;
const scaleWidth = 90;

/** A tensor with its name and its colour scale above it. */
interface Panel {
  readonly values: NamedValues;
  readonly pixels: Pixels;
  /** The largest absolute value. It has the full colour. */
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const captionOf = ({ name, shape }: NamedValues): string => `${name}  [${shape.join(", ")}]`;
const number = (value: number): string => String(Number(value.toPrecision(2)));

function panelOf(values: NamedValues, side: number, grid: Grid = gridOf(values.shape)): Panel {
  const zoom = Math.max(1, Math.min(24, Math.floor(side / Math.max(grid.down * grid.rows, grid.across * grid.columns))));
  let top = 0;
  for (let at = 0; at < values.data.length; at++) top = Math.max(top, Math.abs(values.data[at]!));
  const pixels = pixelsOf(values, grid, zoom, top || 1);
  const scale = scaleWidth + textWidth(`−${number(top)}`, scaleSize) + textWidth(`+${number(top)}`, scaleSize) + 12;
  const width = Math.max(pixels.width, textWidth(captionOf(values), nameSize), scale);
  return { values, pixels, top, width, height: pixels.height + captionHeight };
}

interface Placed {
  readonly panel: Panel;
  readonly x: number;
  readonly y: number;
}

/** Places panels below each other, in a new column where a column would grow beyond `height`. */
function flow(panels: readonly Panel[], left: number, top: number, height: number): Placed[] {
  let [x, y, widest] = [left, top, 0];
  return panels.map((panel) => {
    if (y > top && y + panel.height > top + height) {
      x += widest + gap;
      [y, widest] = [top, 0];
    }
    const place = { panel, x, y };
    y += panel.height + gap;
    widest = Math.max(widest, panel.width);
    return place;
  });
}

/** `whole` large on the left, and its factors on the right. Each panel has its own colour scale. */
export function drawMatrix(title: string, whole: NamedValues, factors: readonly NamedValues[]): string {
  const [rows, columns] = whole.shape as [number, number];
  // The matrix keeps its shape: a matrix of one column stays a column.
  const main = panelOf(whole, 448, { rows, columns, down: 1, across: 1 });
  const top = margin + titleSize + 18;
  const placed: Placed[] = [
    { panel: main, x: margin, y: top },
    ...flow(
      factors.map((values) => panelOf(values, 208)),
      margin + main.width + gap,
      top,
      Math.max(main.height, 448),
    ),
  ];
  const width = Math.ceil(largest([margin + textWidth(title, titleSize), ...placed.map(({ panel, x }) => x + panel.width)]) + margin);
  const height = Math.ceil(largest(placed.map(({ panel, y }) => y + panel.height)) + margin);
  return picture(
    { width, height, title, description: `Values of ${[whole, ...factors].map(captionOf).join(", ")}` },
    gradient,
    label(title, margin, margin + titleSize - 3, { size: titleSize }),
    ...placed.map(drawPanel),
  );
}

const rgb = (colour: Colour): string => `rgb(${colour.join(",")})`;

const gradient = element(
  "defs",
  {},
  element(
    "linearGradient",
    { id: "scale" },
    ...[-1, 0, 1].map((share) => element("stop", { offset: (share + 1) / 2, "stop-color": rgb(colourOf(share)) })),
  ),
);

function drawPanel({ panel: { values, pixels, top }, x, y }: Placed): string {
  const least = `−${number(top)}`;
  const bar = x + textWidth(least, scaleSize) + 6;
  return [
    label(captionOf(values), x, y + nameSize - 2, { size: nameSize }),
    label(least, x, y + 34, { size: scaleSize, className: "soft" }),
    element("rect", { x: bar, y: y + 24, width: scaleWidth, height: 11, fill: "url(#scale)", stroke: "#aaa", "stroke-width": 0.8 }),
    label(`+${number(top)}`, bar + scaleWidth + 6, y + 34, { size: scaleSize, className: "soft" }),
    element("image", {
      x,
      y: y + captionHeight,
      width: pixels.width,
      height: pixels.height,
      href: dataUri(encode({ ...pixels, channels: 3 })),
    }),
  ].join("");
}
