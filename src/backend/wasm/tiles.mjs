/**
 * The innermost loops, written out for a size of tile: the sums of a tile are local variables, and AssemblyScript has no arrays of
 * registers. compile-kernels.mjs compiles the text that these functions return as files of `assembly`.
 *
 * Narrow tiles (128-bit registers) are 4 rows × 2 vectors. Two multiply-adds per cycle with a latency of 4 cycles need 8 independent sums.
 * A step loads 2 vectors and broadcasts 4 numbers: 6 loads in 4 cycles, where the machine can do 8. V8 before version 12 moves all loads of
 * a loop body to its top, so every loaded vector of one body is alive at once: 8 sums + 6 operands = 14 of the 15 usable registers. A 6×8
 * tile (20) or two steps of k (20) spill to the stack. Measured with operands in the first-level cache, GFLOP/s baseline / relaxed: 4×8
 * 40 / 52, 4×8 twice unrolled 31 / 49, 6×8 29 / 56, 6×8 twice unrolled 37 / 38, 2×20 24 / 23. Broadcasting by load beats loading four
 * and shuffling.
 *
 * Wide tiles are for engines that fuse neighbouring vectors into 256-bit ones (host/wide-simd.ts). The engine joins vectors v and v + 16
 * where both go through the same operations, so every row of a wide tile is a whole number of such pairs. Here V8 keeps the order of the
 * text, so a row's number is broadcast just before its use: 12 sums + 2 operands + 1 number fill the 15 registers of a 6×16 tile.
 * Measured on an AMD EPYC (AVX2), GFLOP/s on Node 24 / 26: 4×8 52 / 50, 8×8 72 / 73, 4×16 98 / 94, 5×16 99 / 95, 6×16 99 / 97, 4×24 (16
 * registers) 41 / 41.
 */

/** `text(0)`, `text(1)`, …, one to a line. */
const each = (count, text) => Array.from({ length: count }, (_, i) => text(i)).join("\n");
/** `text(row, column)` for every place of a table. */
const table = (rows, columns, text) => each(rows, (r) => each(columns, (c) => text(r, c)));
/** Masks of the lanes before `count`, one for each vector of a run. */
const laneMasks = (run, count) =>
  each(run, (v) => `const mask${v} = i32x4.gt_s(i32x4.splat(${count}), i32x4(${[0, 1, 2, 3].map((lane) => 4 * v + lane).join(", ")}));`);

/** Matrix multiplication. A is packed [k][rows], B is packed [k][vectors · 4]: both are read front to back. */
export const gemmTile = (tile, name = "gemmTile") => `
import { multiplyAdd, zero } from "./simd";

/** C[${tile.rows}, ${4 * tile.vectors}] = or += A·B. \`rowC\` is the byte distance of C's rows. */
export function ${name}(k: i32, a: usize, b: usize, c: usize, rowC: usize, accumulate: bool): void {
  ${productOfTile(tile, "accumulate", "c")}
}
`;

/** The product of a map with a panel, and a tensor of the size of C that is added to it. */
export const panelTile = (tile) => `
import { multiplyAdd, zero } from "./simd";

/** C[${tile.rows}, ${4 * tile.vectors}] = A·B + addend. \`rowC\` is the byte distance of the rows of C and of the addend. An address of 0 stands for no addend. */
export function panelTile(k: i32, a: usize, b: usize, c: usize, rowC: usize, addend: usize): void {
  ${productOfTile(tile, "addend != 0", "addend")}
}
`;

/** The body of both: under \`adds\`, the numbers at \`addend\` are added. */
const productOfTile = ({ rows, vectors }, adds, addend) => `
  ${table(rows, vectors, (r, v) => `let c${r}_${v} = zero();`)}
  const end = a + (<usize>k) * ${4 * rows};
  while (a < end) {
    ${each(vectors, (v) => `const b${v} = v128.load(b, ${16 * v});`)}
    ${each(
      rows,
      (r) => `
    const a${r} = v128.load32_splat(a, ${4 * r});
    ${each(vectors, (v) => `c${r}_${v} = multiplyAdd(a${r}, b${v}, c${r}_${v});`)}`,
    )}
    a += ${4 * rows};
    b += ${16 * vectors};
  }
  if (${adds}) {
    let at = ${addend};
    ${each(rows, (r) => `${each(vectors, (v) => `c${r}_${v} = f32x4.add(c${r}_${v}, v128.load(at, ${16 * v}));`)}\nat += rowC;`)}
  }
  ${each(rows, (r) => `${each(vectors, (v) => `v128.store(c, c${r}_${v}, ${16 * v});`)}\nc += rowC;`)}`;

/**
 * Convolution: output channels × two runs of neighbouring pixels, while the taps of all input channels run. This is the tile of matrix
 * multiplication with one difference: the right operand is not packed but read where it lies, at the pixel's address plus the tap's offset
 * from a table. So no im2col matrix is ever written. Instead, each input element is read Kh·Kw times from the first-level cache.
 */
export const convTile = ({ rows, vectors }) => {
  const run = vectors / 2;
  return `
import { multiplyAdd, zero } from "./simd";

/**
 * The sums of ${rows} channels × 2 runs of ${4 * run} pixels. Those of the first channel go to \`to0\` and \`to1\`, and those of each
 * further channel \`plane\` bytes behind. \`weights\` is packed [tap][${rows}]. \`pixels0\` and \`pixels1\` are the addresses of the runs,
 * which may stand in different rows.
 */
export function convTile(
  taps: i32, offsets: usize, weights: usize, pixels0: usize, pixels1: usize, to0: usize, to1: usize, plane: usize,
): void {
  ${table(rows, vectors, (r, v) => `let s${r}_${v} = zero();`)}
  const end = weights + (<usize>taps) * ${4 * rows};
  while (weights < end) {
    const offset = load<usize>(offsets);
    ${table(2, run, (p, v) => `const x${p * run + v} = v128.load(pixels${p} + offset, ${16 * v});`)}
    ${each(
      rows,
      (r) => `
    const w${r} = v128.load32_splat(weights, ${4 * r});
    ${each(vectors, (v) => `s${r}_${v} = multiplyAdd(w${r}, x${v}, s${r}_${v});`)}`,
    )}
    weights += ${4 * rows};
    offsets += 4;
  }
  ${each(
    rows,
    (r) => `${table(2, run, (p, v) => `v128.store(to${p}, s${r}_${p * run + v}, ${16 * v});`)}
  to0 += plane;
  to1 += plane;`,
  )}
}
`;
};

/**
 * The weight gradient of a convolution: 4 output channels × 2 taps, while the pixels run. Every sum has the lanes of a run of pixels. A
 * step takes 4 loads of g and 2 of x for 8 multiply-adds, and needs no broadcast and no packing. The addresses of g's channels are `g`,
 * `g + second`, … Sum (channel, tap) is written to `sums`, run by run.
 */
export const dotTile = ({ vectors }) => `
import { multiplyAdd, zero } from "./simd";
${dotsOfRuns("dotsOfVectors", 1)}
${dotsOfRuns("dotsOfRuns", vectors / 2)}
${dotsOfRows(vectors / 2)}`;

/** The parts of both loops, for runs of `run` vectors. */
const dotParts = (run) => {
  const rowsOfG = ["at", "at + second", "at + third", "at + fourth"];
  const eachSum = (text) => each(4, (o) => table(2, run, (t, v) => text(o, t, v)));
  const step = (x0, x1, read) => `
        ${table(2, run, (t, v) => `const x${t}_${v} = ${read([x0, x1][t], v)};`)}
        ${each(
          4,
          (o) => `
        ${each(run, (v) => `const g${o}_${v} = ${read(rowsOfG[o], v)};`)}
        ${table(2, run, (t, v) => `s${o}_${t}_${v} = multiplyAdd(g${o}_${v}, x${t}_${v}, s${o}_${t}_${v});`)}`,
        )}`;
  const whole = (address, v) => `v128.load(${address}, ${16 * v})`;
  const masked = (address, v) => `v128.and(${whole(address, v)}, mask${v})`;
  return {
    begin: eachSum((o, t, v) => `let s${o}_${t}_${v} = zero();`),
    step: (x0, x1) => step(x0, x1, whole),
    maskedStep: (x0, x1) => step(x0, x1, masked),
    end: eachSum((o, t, v) => `v128.store(sums, s${o}_${t}_${v}, ${16 * ((2 * o + t) * run + v)});`),
  };
};

const dotsOfRuns = (name, run) => {
  const { begin, step, end } = dotParts(run);
  return `
/**
 * For planes whose rows are whole runs of ${4 * run} pixels: one loop over a list of the runs' offsets in x, because rows of a few runs are
 * too short to be loops of their own.
 */
export function ${name}(
  runs: usize, count: i32, g: usize, second: usize, third: usize, fourth: usize, gImage: usize,
  pixels0: usize, pixels1: usize, imageStep: usize, images: i32, sums: usize,
): void {
  ${begin}
  const bytes = (<usize>count) * ${16 * run};
  for (let i = 0; i < images; i++) {
    let at = g, list = runs;
    const end = g + bytes;
    while (at < end) {
      const offset = load<usize>(list);
      ${step("pixels0 + offset", "pixels1 + offset")}
      list += 4;
      at += ${16 * run};
    }
    pixels0 += imageStep;
    pixels1 += imageStep;
    g += gImage;
  }
  ${end}
}
`;
};

const dotsOfRows = (run) => {
  const { begin, step, maskedStep, end } = dotParts(run);
  return `
/** For rows that end inside a run. \`pitch\` is the byte distance of x's rows. */
export function dotsOfRows(
  rows: i32, columns: i32, pitch: usize, g: usize, second: usize, third: usize, fourth: usize, gImage: usize,
  pixels0: usize, pixels1: usize, imageStep: usize, images: i32, sums: usize,
): void {
  ${begin}
  const rest = columns % ${4 * run};
  const whole = (<usize>(columns - rest)) << 2;
  const restBytes = (<usize>rest) << 2;
  ${laneMasks(run, "rest")}
  for (let i = 0; i < images; i++) {
    let row0 = pixels0, row1 = pixels1;
    let at = g;
    for (let r = 0; r < rows; r++) {
      let x0 = row0, x1 = row1;
      const end = x0 + whole;
      while (x0 < end) {
        ${step("x0", "x1")}
        x0 += ${16 * run};
        x1 += ${16 * run};
        at += ${16 * run};
      }
      if (rest) {
        // Both factors are masked, because a NaN behind the end of the row times zero would still be NaN.
        ${maskedStep("x0", "x1")}
        at += restBytes;
      }
      row0 += pitch;
      row1 += pitch;
    }
    pixels0 += imageStep;
    pixels1 += imageStep;
    g += gImage;
  }
  ${end}
}
`;
};

/**
 * The gradient of a map of channels: the dot products of 4 channels of one operand with 2 of the other, over all pixels. Both operands lie
 * in panels of two runs of pixels, [panel][channel][2 runs]: a channel's pixels of one panel are neighbours.
 */
export const panelDotTile = ({ vectors }) => {
  const eachSum = (text) => each(2, (o) => table(4, vectors / 2, (c, v) => text(o, c, v)));
  const run = vectors / 2;
  const half = (part) => `
    ${table(2, run, (o, v) => `const g${o}_${v}_${part} = v128.load(g${o}, ${16 * (part * run + v)});`)}
    ${each(
      4,
      (c) => `
    ${each(run, (v) => `const x${c}_${v}_${part} = v128.load(x${c}, ${16 * (part * run + v)});`)}
    ${table(2, run, (o, v) => `s${o}_${c}_${v} = multiplyAdd(g${o}_${v}_${part}, x${c}_${v}_${part}, s${o}_${c}_${v});`)}`,
    )}`;
  return `
import { multiplyAdd, zero } from "./simd";

/**
 * The sums over \`panels\` panels, whose lanes are still apart, to \`sums\`: those of g0 with x0 … x3, then those of g1. \`stepG\` and
 * \`stepX\` are the byte distances of panels.
 */
export function panelDots(
  panels: i32, g0: usize, g1: usize, stepG: usize, x0: usize, x1: usize, x2: usize, x3: usize, stepX: usize, sums: usize,
): void {
  ${eachSum((o, c, v) => `let s${o}_${c}_${v} = zero();`)}
  for (; panels > 0; panels--) {
    ${half(0)}
    ${half(1)}
    g0 += stepG;
    g1 += stepG;
    ${each(4, (c) => `x${c} += stepX;`)}
  }
  ${eachSum((o, c, v) => `v128.store(sums, s${o}_${c}_${v}, ${16 * ((4 * o + c) * run + v)});`)}
}
`;
};

/**
 * The 3×3 window with stride 1 and padding 1, without a padded copy. A loop runs down the rows of one or two runs of pixels. Each row is
 * read once, and adds to the three rows of the output that it belongs to: 9 multiply-adds for 3 loads, where a loop over taps takes 9.
 * The nine weights are broadcast anew for every row, because two runs need most of the registers.
 */
export const sameWindowTile = ({ vectors }) => {
  const run = vectors / 2;
  /** The pixels to the left (0) of a run, of the run (1) and to the right (2). `left` and `right` say where they are masked. */
  const pixels = (row, column, v, left = true, right = true) => {
    const load = `v128.load(${row}, ${16 * v + 4 * column})`;
    if (column === 0 && left) return `v128.and(${load}, v128.load(left, ${16 * (v % run)}))`;
    return column === 2 && right ? `v128.and(${load}, v128.load(right, ${16 * (v % run)}))` : load;
  };
  const rows = (name, runs) => {
    const all = runs * run;
    const x = (column, v) => pixels("row", column, v, v < run, v >= all - run);
    return `
/**
 * Rows [first, end) of ${runs === 1 ? "a run" : "two runs"} of pixels. \`x\` is the address of the pixel to the left in row first − 1. \`zeros\` are the pixels of a row
 * outside the image. \`left\` and \`right\` are masks of the pixels at the sides. The results of neighbouring rows lie \`even\` and \`odd\` bytes
 * apart in turns.
 */
export function ${name}(
  zeros: usize, x: usize, height: i32, rowBytes: usize, first: i32, end: i32, left: usize, right: usize, to: usize, even: usize, odd: usize,
  weights: usize,
): void {
  // The sums of the next row of the output and of the one after it.
  ${each(all, (v) => `let next${v} = zero(), last${v} = zero();`)}
  for (let i = first - 1; i <= end; i++, x += rowBytes) {
    const row = i >= 0 && i < height ? x : zeros;
    ${each(all, (v) => `let done${v} = next${v};\nnext${v} = last${v};\nlast${v} = zero();`)}
    ${each(
      3,
      (column) => `
    ${each(all, (v) => `const x${column}_${v} = ${x(column, v)};`)}
    ${["done", "next", "last"]
      .map(
        (sum, k) => `
    const w${sum}${column} = v128.load32_splat(weights, ${4 * (3 * (2 - k) + column)});
    ${each(all, (v) => `${sum}${v} = multiplyAdd(x${column}_${v}, w${sum}${column}, ${sum}${v});`)}`,
      )
      .join("")}`,
    )}
    // The first two rows only begin sums. What they store is overwritten.
    ${each(all, (v) => `v128.store(to, done${v}, ${16 * v});`)}
    if (i > first) {
      to += even;
      const swap = even;
      even = odd;
      odd = swap;
    }
  }
}
`;
  };
  const dotStep = (row, taps, next) => `
    ${next === undefined ? "" : each(run, (v) => `g0_${v} = v128.load(${next}, ${16 * v});`)}
    ${each(
      3,
      (column) => `
    ${each(run, (v) => `const x${column}_${v} = ${pixels(row, column, v)};`)}
    ${taps.map((k) => each(run, (v) => `s${3 * k + column}_${v} = multiplyAdd(g${k}_${v}, x${column}_${v}, s${3 * k + column}_${v});`)).join("\n")}`,
    )}`;
  const shift = each(run, (v) => `g2_${v} = g1_${v};\ng1_${v} = g0_${v};`);
  return `
import { multiplyAdd, zero } from "./simd";

${rows("twoRunsDown", 2)}
${rows("oneRunDown", 1)}

/**
 * Adds Σ g·x over a run of pixels of at least two rows to \`sums\`, for each of the nine taps, with lanes apart. \`x\` is the address of the
 * pixel to the left of the run in the first row, \`g\` that of the run. \`zeros\` are the pixels of a row outside the image.
 */
export function nineDots(
  zeros: usize, x: usize, g: usize, rows: i32, rowBytes: usize, left: usize, right: usize, sums: usize,
): void {
  ${table(9, run, (t, v) => `let s${t}_${v} = zero();`)}
  ${table(3, run, (k, v) => `let g${k}_${v} = zero();`)}
  {
    ${dotStep("zeros", [0], "g")}
  }
  ${shift}
  g += rowBytes;
  {
    ${dotStep("x", [0, 1], "g")}
  }
  ${shift}
  x += rowBytes;
  for (let i = 2; i < rows; i++, x += rowBytes) {
    g += rowBytes;
    ${dotStep("x", [0, 1, 2], "g")}
    ${shift}
  }
  {
    ${dotStep("x", [1, 2])}
  }
  ${shift}
  {
    ${dotStep("zeros", [2])}
  }
  // Both loads of a pair stand before its stores: the engine joins no loads that have a store between them.
  ${each(
    9,
    (t) => `
  ${each(run, (v) => `s${t}_${v} = f32x4.add(s${t}_${v}, v128.load(sums, ${16 * (t * run + v)}));`)}
  ${each(run, (v) => `v128.store(sums, s${t}_${v}, ${16 * (t * run + v)});`)}`,
  )}
}
`;
};

/**
 * Depthwise convolution: six runs of pixels of one channel while the taps run. A tap broadcasts its weight once for all of them.
 */
export const depthwiseTile = ({ vectors }) => {
  const run = vectors / 2;
  return `
import { DepthwisePass, DepthwiseTap, DepthwiseVector } from "./depthwise";
import { multiplyAdd, zero } from "./simd";

const tapBytes = offsetof<DepthwiseTap>();
const vectorBytes = offsetof<DepthwiseVector>();
const OFFSET = offsetof<DepthwiseTap>("offset");
const TARGET = offsetof<DepthwiseVector>("target");
const LANES = offsetof<DepthwiseVector>("lanes");

/** The sums of six runs, from \`vector\` on in the list of the pass: two runs at \`results\`, and each further two \`step\` bytes behind. */
export function sixRuns(pass: DepthwisePass, weights: usize, pixels: usize, vector: usize, results: usize, step: usize): void {
  ${each(6, (r) => `const p${r} = pixels + load<usize>(vector, ${r} * vectorBytes);`)}
  ${table(6, run, (r, v) => `let s${r}_${v} = zero();`)}
  const end = pass.list + (<usize>pass.taps) * tapBytes;
  for (let tap = pass.list; tap < end; tap += tapBytes) {
    const w = v128.load32_splat(weights + (load<usize>(tap) << 2));
    const offset = load<usize>(tap, OFFSET);
    ${table(6, run, (r, v) => `s${r}_${v} = multiplyAdd(w, v128.load(p${r} + offset, ${16 * v}), s${r}_${v});`)}
  }
  ${each(
    3,
    (pair) => `${table(2, run, (r, v) => `v128.store(results, s${2 * pair + r}_${v}, ${16 * (r * run + v)});`)}
  results += step;`,
  )}
}

/** Σ g·x over all runs of the pass, for five taps whose pixels begin at t0 … t4: five sums, whose lanes are still apart, to \`sums\`. */
export function fiveDots(pass: DepthwisePass, g: usize, t0: usize, t1: usize, t2: usize, t3: usize, t4: usize, sums: usize): void {
  ${table(5, run, (t, v) => `let s${t}_${v} = zero();`)}
  const end = pass.vectors + pass.vectorCount * vectorBytes;
  for (let vector = pass.vectors; vector < end; vector += vectorBytes) {
    const from = load<usize>(vector);
    const lanes = load<i32>(vector, LANES);
    const at = g + load<usize>(vector, TARGET);
    if (lanes == ${4 * run}) {
      ${each(run, (v) => `const g${v} = v128.load(at, ${16 * v});`)}
      ${table(5, run, (t, v) => `s${t}_${v} = multiplyAdd(g${v}, v128.load(t${t} + from, ${16 * v}), s${t}_${v});`)}
    } else {
      // Both factors are masked, because a NaN behind the end of the row times zero would still be NaN.
      ${laneMasks(run, "lanes")}
      ${each(run, (v) => `const g${v} = v128.and(v128.load(at, ${16 * v}), mask${v});`)}
      ${table(5, run, (t, v) => `s${t}_${v} = multiplyAdd(g${v}, v128.and(v128.load(t${t} + from, ${16 * v}), mask${v}), s${t}_${v});`)}
    }
  }
  ${table(5, run, (t, v) => `v128.store(sums, s${t}_${v}, ${16 * (t * run + v)});`)}
}
`;
};

/**
 * The transforms of Winograd's F(2×2, 3×3) and F(3×3, 2×2) (docs/derivations/winograd.md) for quads: a vector holds the same place of four
 * neighbouring windows of a row. Windows overlap by two columns, so even and odd columns lie in planes of their own, `even` and `odd`,
 * and a vector of either is read without shuffles. The 16 places of a transformed quad lie `step` bytes apart.
 */
export const winogradTile = ({ vectors }) => `
${inputOf("inputOfQuad", 1)}
${inputOf("inputOfRun", vectors / 2)}
${cotangentOf("cotangentOfQuad", 1)}
${cotangentOf("cotangentOfRun", vectors / 2)}
${outputsOfRun(vectors / 2)}`;

/** Writes places in the order of the text. The text between two stores advances `to`. */
const putPlaces = (run, values) =>
  values.map((value) => each(run, (v) => `v128.store(to, ${value(v)}, ${16 * v});`)).join("\nto += step;\n");

const inputOf = (name, run) => {
  // A row of d·B, from the columns 2j, 2j + 1, 2j + 2 and 2j + 3 of each window j.
  const rowOf = (r) => `
  ${each(run, (v) => `const a${r}_${v} = v128.load(even, ${16 * v});`)}
  ${each(run, (v) => `const b${r}_${v} = v128.load(odd, ${16 * v});`)}
  ${each(run, (v) => `const c${r}_${v} = v128.load(even, ${16 * v + 4});`)}
  ${each(run, (v) => `const d${r}_${v} = v128.load(odd, ${16 * v + 4});`)}
  ${each(run, (v) => `const r${r}0_${v} = f32x4.sub(a${r}_${v}, c${r}_${v});`)}
  ${each(run, (v) => `const r${r}1_${v} = f32x4.add(b${r}_${v}, c${r}_${v});`)}
  ${each(run, (v) => `const r${r}2_${v} = f32x4.sub(c${r}_${v}, b${r}_${v});`)}
  ${each(run, (v) => `const r${r}3_${v} = f32x4.sub(b${r}_${v}, d${r}_${v});`)}
  even += rowBytes;
  odd += rowBytes;`;
  const placesOf = (op, r, s) =>
    putPlaces(
      run,
      [0, 1, 2, 3].map((x) => (v) => `f32x4.${op}(r${r}${x}_${v}, r${s}${x}_${v})`),
    );
  return `
/** Bᵀ·d·B of ${run === 1 ? "a quad" : `${run} neighbouring quads`}. */
export function ${name}(even: usize, odd: usize, rowBytes: usize, to: usize, step: usize): void {
  ${[0, 1, 2].map(rowOf).join("")}
  ${placesOf("sub", 0, 2)}
  to += step;
  ${placesOf("add", 1, 2)}
  to += step;
  ${placesOf("sub", 2, 1)}
  to += step;
  ${rowOf(3)}
  ${placesOf("sub", 1, 3)}
}
`;
};

const cotangentOf = (name, run) => {
  // Four places of a row of G·g·Gᵀ, from its two columns.
  const row = (x, y) =>
    putPlaces(run, [
      (v) => `${x}${v}`,
      (v) => `f32x4.mul(half, f32x4.add(${x}${v}, ${y}${v}))`,
      (v) => `f32x4.mul(half, f32x4.sub(${x}${v}, ${y}${v}))`,
      (v) => `${y}${v}`,
    ]);
  return `
/** G·g·Gᵀ of the 2×2 cotangents of ${run === 1 ? "a quad" : `${run} neighbouring quads`}. */
export function ${name}(even: usize, odd: usize, rowBytes: usize, to: usize, step: usize): void {
  const half = f32x4.splat(0.5);
  ${each(run, (v) => `const a${v} = v128.load(even, ${16 * v});`)}
  ${each(run, (v) => `const b${v} = v128.load(odd, ${16 * v});`)}
  even += rowBytes;
  odd += rowBytes;
  ${each(run, (v) => `const c${v} = v128.load(even, ${16 * v});`)}
  ${each(run, (v) => `const d${v} = v128.load(odd, ${16 * v});`)}
  ${each(run, (v) => `const sum${v} = f32x4.mul(half, f32x4.add(a${v}, c${v}));`)}
  ${each(run, (v) => `const oddSum${v} = f32x4.mul(half, f32x4.add(b${v}, d${v}));`)}
  ${each(run, (v) => `const difference${v} = f32x4.mul(half, f32x4.sub(a${v}, c${v}));`)}
  ${each(run, (v) => `const oddDifference${v} = f32x4.mul(half, f32x4.sub(b${v}, d${v}));`)}
  ${row("a", "b")}
  to += step;
  ${row("sum", "oddSum")}
  to += step;
  ${row("difference", "oddDifference")}
  to += step;
  ${row("c", "d")}
}
`;
};

const outputsOfRun = (run) => {
  const rowOf = (r) => `
  ${each(4, (x) => each(run, (v) => `const m${r}${x}_${v} = v128.load(m + step * ${x}, ${16 * v});`))}
  m += step << 2;
  ${each(run, (v) => `const e${r}_${v} = f32x4.add(f32x4.add(m${r}0_${v}, m${r}1_${v}), m${r}2_${v});`)}
  ${each(run, (v) => `const o${r}_${v} = f32x4.sub(f32x4.sub(m${r}1_${v}, m${r}2_${v}), m${r}3_${v});`)}`;
  const put = (at, op, column, [r, s, t]) =>
    each(
      run,
      (v) =>
        `v128.store(to, f32x4.${op}(f32x4.${op}(${column}${r}_${v}, ${column}${s}_${v}), ${column}${t}_${v}), ${16 * (at * run + v)});`,
    );
  return `
/**
 * Aᵀ·M·A of ${run === 1 ? "a quad" : `${run} neighbouring quads`}: the even and the odd columns of the first row of outputs, and then
 * those of the second row, ${16 * run} bytes each.
 */
export function outputsOfRun(m: usize, step: usize, to: usize): void {
  ${[0, 1, 2, 3].map(rowOf).join("")}
  ${put(0, "add", "e", [0, 1, 2])}
  ${put(1, "add", "o", [0, 1, 2])}
  ${put(2, "sub", "e", [1, 2, 3])}
  ${put(3, "sub", "o", [1, 2, 3])}
}
`;
};
