/** Draws numbers and images on canvases. */

import type { Values } from "../snapshot.ts";
import { h } from "./dom.ts";

type Colour = readonly [red: number, green: number, blue: number];

/** The ends of a diverging scale that readers with any kind of colour vision can tell apart: blue below zero, and red above. */
const ends = {
  light: [
    [33, 102, 172],
    [178, 24, 43],
  ],
  dark: [
    [110, 170, 240],
    [244, 120, 100],
  ],
} as const;
/** The colour of zero. */
const zero: Readonly<Record<"light" | "dark", Colour>> = { light: [250, 250, 250], dark: [24, 29, 36] };

const scheme = (): "light" | "dark" => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");

/** The colour with these channels. */
const colour = (channel: (c: 0 | 1 | 2) => number): Colour => [channel(0), channel(1), channel(2)];

/** The colour at `weight`, in [0, 1], of the way from one to another. */
const between = (from: Colour, to: Colour, weight: number): Colour => colour((c) => from[c] + (to[c] - from[c]) * weight);

/** The colour of a share in [−1, 1]. */
function diverging(share: number): Colour {
  const name = scheme();
  const from = zero[name];
  const to = ends[name][share < 0 ? 0 : 1];
  // The root shows small numbers, too.
  const weight = Math.sqrt(Math.min(1, Math.abs(share)));
  return between(from, to, weight);
}

/** Makes a canvas of as many pixels as numbers, and lets the style sheet scale it. @param label For screen readers. */
function pixels(width: number, height: number, label: string, colourAt: (x: number, y: number) => Colour): HTMLCanvasElement {
  const canvas = h("canvas", { width, height, role: "img", "aria-label": label });
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [red, green, blue] = colourAt(x, y);
      image.data.set([red, green, blue, 255], 4 * (y * width + x));
    }
  context.putImageData(image, 0, 0);
  return canvas;
}

const largest = (data: Float32Array): number => data.reduce((top, value) => Math.max(top, Math.abs(value)), 0) || 1;

/** A tensor as a picture: `down` × `across` blocks of its last two axes. */
interface Blocks {
  readonly rows: number;
  readonly columns: number;
  readonly down: number;
  readonly across: number;
}

/** The blocks of a tensor, in a nearly square arrangement. A matrix is one block, and a long vector is wrapped. */
function blocksOf({ shape, data }: Values): Blocks {
  const long = shape.filter((length) => length > 1);
  if (long.length <= 1) {
    const columns = data.length <= 32 ? data.length : Math.ceil(Math.sqrt(data.length));
    return { rows: Math.ceil(data.length / columns), columns, down: 1, across: 1 };
  }
  const [rows, columns] = long.slice(-2) as [number, number];
  const blocks = data.length / (rows * columns);
  const across = Math.min(blocks, Math.max(1, Math.round(Math.sqrt((blocks * rows) / columns))));
  return { rows, columns, down: Math.ceil(blocks / across), across };
}

/** The tallest picture of a factor, in pixels of the page. */
const tallest = 130;

/** A tensor as a picture: blue below zero, red above. The largest number has the full colour. */
export function drawValues(values: Values): HTMLCanvasElement {
  const { rows, columns, down, across } = blocksOf(values);
  const top = largest(values.data);
  const label = `${values.name}, ${values.shape.join("×")} numbers, largest ${top.toPrecision(2)}`;
  return pixels(columns * across, rows * down, label, (x, y) => {
    const block = Math.floor(y / rows) * across + Math.floor(x / columns);
    return diverging((values.data[(block * rows + (y % rows)) * columns + (x % columns)] ?? 0) / top);
  });
}

/** A factor as a picture that is not too tall. */
export function drawFactor(values: Values): HTMLCanvasElement {
  const canvas = drawValues(values);
  canvas.style.setProperty("width", `min(100%, ${Math.round((tallest * canvas.width) / canvas.height)}px)`);
  return canvas;
}

/** An image:[3,side,side] in bytes. */
export function drawImage(image: Uint8Array, label: string): HTMLCanvasElement {
  const plane = image.length / 3;
  const side = Math.round(Math.sqrt(plane));
  return pixels(side, side, label, (x, y) => colour((c) => image[c * plane + y * side + x]!));
}

/** A filter:[3,k,k] as a small image of its colours around grey. */
export function drawFilter({ shape, data }: Values, index: number): HTMLCanvasElement {
  const [, channels = 3, k = 3] = shape;
  const filter = data.subarray(index * channels * k * k, (index + 1) * channels * k * k);
  const top = largest(filter);
  return pixels(k, k, `filter ${index + 1}`, (x, y) => colour((c) => 128 + (127 * filter[c * k * k + y * k + x]!) / top));
}

/** Dark violet over magenta to yellow: points of matplotlib's colour map inferno. */
const heat: readonly Colour[] = [
  [0, 0, 4],
  [87, 16, 110],
  [188, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
];

/** An attention map, from dark where the network is inactive to bright. */
export function drawHeat({ name, shape, data }: Values): HTMLCanvasElement {
  const [rows, columns] = shape as [number, number];
  const top = largest(data);
  return pixels(columns, rows, `attention of ${name}`, (x, y) => {
    const at = (data[y * columns + x]! / top) * (heat.length - 1);
    const low = Math.min(heat.length - 2, Math.floor(at));
    return between(heat[low]!, heat[low + 1]!, at - low);
  });
}
