/** The pictures of the page on kernels. The sizes are those of the narrow tile: 4 rows × 2 vectors of 4 numbers. */

import { box, line, type Paint, picture, text } from "./svg.ts";

/** A table of squares, with its upper left corner at (x, y). `paint` gives the colour of a square. */
function grid(x: number, y: number, rows: number, columns: number, size: number, paint: (row: number, column: number) => Paint): string[] {
  return Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return box(x + column * size, y + row * size, size - 1, size - 1, paint(row, column), 2);
  });
}

const start = { anchor: "start" } as const;
const note = { anchor: "start", paint: "dim" } as const;

/** C = A·B by tiles: a tile of C needs a strip of rows of A and a strip of columns of B. */
const tiles = picture(420, 300, "A tile of C is the product of four rows of A and eight columns of B.", [
  text(290, 16, "B"),
  ...grid(220, 24, 8, 16, 9, (_, column) => (column >= 8 ? "other" : "box")),
  text(80, 118, "A"),
  ...grid(40, 126, 16, 8, 9, (row) => (row >= 4 && row < 8 ? "accent" : "box")),
  text(290, 118, "C"),
  ...grid(220, 126, 16, 16, 9, (row, column) => (row >= 4 && row < 8 && column >= 8 ? "mark" : "box")),
  line(114, 181, 214, 181, { arrow: true }),
  line(328, 98, 328, 158, { arrow: true }),
  text(40, 292, "4 rows of A, 8 columns of B → 32 sums, in registers", note),
]);

/** The order in memory before and after packing. */
const packing = picture(
  420,
  176,
  "Packing puts the four rows of A behind one another, number by number, so that the tile reads memory from front to back.",
  [
    text(10, 20, "A as it lies: row by row", start),
    ...grid(10, 30, 4, 8, 22, (_, column) => (column === 0 ? "accent" : column === 1 ? "other" : "box")),
    ...Array.from({ length: 4 }, (_, row) => text(21, 45 + 22 * row, String(row), {})),
    ...Array.from({ length: 4 }, (_, row) => text(43, 45 + 22 * row, String(row + 4), {})),
    text(200, 78, "step 0 takes one column,", note),
    text(200, 96, "step 1 the next", note),
    text(10, 142, "A packed: step by step", start),
    ...grid(10, 150, 1, 16, 22, (_, column) => (column < 4 ? "accent" : column < 8 ? "other" : "box")),
    ...Array.from({ length: 8 }, (_, i) => text(21 + 22 * i, 165, String(i), {})),
  ],
);

/** Two vectors of 128 bits beside each other become one of 256. */
const pairing = picture(
  420,
  150,
  "The engine joins two vectors of four numbers into one of eight, where both go through the same operations.",
  [
    text(10, 20, "the module says: two vectors, the same operations", start),
    ...grid(10, 30, 1, 4, 26, () => "accent"),
    ...grid(130, 30, 1, 4, 26, () => "other"),
    text(62, 76, "at v"),
    text(182, 76, "at v + 16"),
    line(120, 84, 120, 104, { arrow: true }),
    ...grid(16, 110, 1, 4, 26, () => "accent"),
    ...grid(120, 110, 1, 4, 26, () => "other"),
    text(240, 128, "the machine: one of 256 bits", note),
  ],
);

/** A convolution reads its taps from one padded copy of the image. */
const implicit = picture(
  420,
  250,
  "Each tap of a 3×3 kernel is a window of the padded image, moved by one pixel. A row of outputs reads nine rows of the copy.",
  [
    text(10, 18, "the copy: the image with a border of zeros", start),
    ...grid(10, 28, 8, 8, 22, (row, column) => {
      if (row === 0 || row === 7 || column === 0 || column === 7) return "box";
      return "accent";
    }),
    ...[
      [0, 0],
      [1, 1],
      [2, 2],
    ].map(([row, column]) =>
      line(10 + 22 * column! + 2, 28 + 22 * row! + 11, 10 + 22 * (column! + 6) - 4, 28 + 22 * row! + 11, { paint: "back", arrow: true }),
    ),
    text(210, 52, "tap (0, 0) of a row of outputs", note),
    text(210, 74, "tap (1, 1): one row and one", note),
    text(210, 92, "pixel further in memory", note),
    text(210, 114, "tap (2, 2)", note),
    text(10, 226, "offset(tap) = row·width + column of the tap", note),
  ],
);

/** The three steps of Winograd's algorithm. */
const winograd = picture(
  420,
  204,
  "A window of 4×4 pixels and a kernel of 3×3 are transformed, multiplied at 16 places, and transformed back to 2×2 outputs.",
  [
    ...grid(10, 30, 4, 4, 18, () => "accent"),
    text(46, 20, "window d"),
    ...grid(130, 30, 4, 4, 18, () => "accent"),
    text(166, 20, "Bᵀ·d·B"),
    ...grid(10, 116, 3, 3, 16, () => "other"),
    text(34, 110, "kernel w"),
    ...grid(130, 112, 3, 4, 16, () => "other"),
    text(240, 130, "G·w·Gᵀ: once a call", note),
    ...grid(250, 30, 4, 4, 18, () => "box"),
    text(286, 20, "16 products"),
    ...grid(360, 48, 2, 2, 18, () => "mark"),
    text(378, 38, "2×2"),
    line(84, 66, 126, 66, { arrow: true }),
    line(68, 160, 126, 160, { arrow: true }),
    line(204, 66, 246, 66, { arrow: true }),
    line(204, 140, 262, 106, { arrow: true }),
    line(324, 66, 356, 66, { arrow: true }),
  ],
);

/** Threads compute ranges of chunks; partial sums are added in the order of the chunks. */
const threads = picture(
  420,
  170,
  "Each of two threads has three of six chunks. The faster one takes a chunk of the other. The results lie in the order of the chunks.",
  [
    text(10, 20, "thread 1 has the chunks 0 to 2, and thread 2 has 3 to 5", start),
    ...[0, 1, 2, 5].map((chunk, i) => box(10 + i * 76, 34, [70, 62, 70, 70][i]!, 24, "accent") + text(42 + i * 76, 51, `chunk ${chunk}`)),
    text(330, 51, "thread 1", note),
    ...[3, 4].map((chunk, i) => box(10 + i * 160, 66, 150, 24, "other") + text(84 + i * 160, 83, `chunk ${chunk}`)),
    text(330, 83, "thread 2", note),
    text(10, 122, "partial sums, added from the left to the right", start),
    ...Array.from(
      { length: 6 },
      (_, i) => box(10 + i * 50, 132, 46, 24, [3, 4].includes(i) ? "other" : "accent") + text(33 + i * 50, 149, String(i)),
    ),
  ],
);

/** The arena: blocks of one memory, and the list of free ones. */
const arena = picture(
  420,
  120,
  "The arena is one memory. Tensors are blocks in it. A freed block is joined with its free neighbours and used again.",
  [
    ...(
      [
        [10, 60, "accent", "x"],
        [72, 40, "box", ""],
        [114, 90, "accent", "weights"],
        [206, 70, "other", "loss"],
        [278, 30, "box", ""],
        [310, 100, "box", ""],
      ] as const
    ).flatMap(([x, width, paint, label]) => [box(x, 30, width, 34, paint, 2), text(x + width / 2, 52, label)]),
    text(10, 20, "one WebAssembly memory", start),
    text(92, 84, "free", { paint: "dim" }),
    text(344, 84, "free, joined", { paint: "dim" }),
    line(278, 70, 410, 70),
    line(72, 70, 112, 70),
    text(10, 110, "a tensor is an offset and a length; scope gives blocks back", note),
  ],
);

/** The pictures by the name of their file in `docs/pictures`. */
export const kernelPictures: Readonly<Record<string, string>> = {
  "tiles.svg": tiles,
  "packing.svg": packing,
  "pairing.svg": pairing,
  "implicit-convolution.svg": implicit,
  "winograd.svg": winograd,
  "threads.svg": threads,
  "arena.svg": arena,
};
