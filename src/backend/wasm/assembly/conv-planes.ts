/**
 * The padded copy of an image that makes every tap of a convolution read contiguous rows.
 *
 * With stride s, output column j reads source column s·j + r + (something fixed by the tap), where r < s. Splitting the padded image into
 * its s·s residues ("phases": rows ry, ry + s, …, columns rx, rx + s, …) turns any stride and dilation into stride 1: tap k of output
 * (i, j) stands at phase(k), row i + dy(k), column j + dx(k). Only the phases that some tap reads are made. An image takes a few tens of
 * KB, so the copy stays in the second-level cache, and each of its elements serves O·Kh·Kw multiply-adds.
 *
 * Layout: [channel][phase][row][pitch]. Lanes behind the end of a row may hold any bits, because results from them are dropped.
 */

import { zero } from "./simd";

/** A residue of the padded image: its first row and first column. */
@unmanaged
export class Phase {
  row: i32;
  column: i32;
}

/** How the host describes the planes. Sizes, paddings and strides are in elements. */
@unmanaged
export class Planes {
  height: i32;
  width: i32;
  paddingY: i32;
  paddingX: i32;
  strideY: i32;
  strideX: i32;
  /** A list of `Phase`. */
  phases: usize;
  phaseCount: i32;
  pitch: i32;
  /** 1 where the source needs no copy: no padding and stride 1. */
  direct: i32;
}

const phaseBytes = offsetof<Phase>();

/** Bytes of `rows` rows of all phases of one channel. */
@inline
export function channelBytes(planes: Planes, rows: i32): usize {
  return (<usize>(planes.phaseCount * rows * planes.pitch)) << 2;
}

/** Copies rows [firstRow, firstRow + rows) of every phase of `channels` planes to `target`. */
export function copyPlanes(planes: Planes, source: usize, channels: i32, firstRow: i32, rows: i32, target: usize): void {
  const planeBytes = (<usize>(planes.height * planes.width)) << 2;
  const rowBytes = (<usize>planes.pitch) << 2;
  for (let c = 0; c < channels; c++, source += planeBytes) {
    for (let phase = 0; phase < planes.phaseCount; phase++) {
      const residue = changetype<Phase>(planes.phases + phase * phaseBytes);
      const ry = residue.row, rx = residue.column;
      // Columns [first, end) of a row have a source. They are the same for all rows of a phase, so the divisions are done once.
      const shift = rx - planes.paddingX, stride = planes.strideX;
      const first = min(planes.pitch, shift >= 0 ? 0 : (stride - 1 - shift) / stride);
      const end = max(first, min(planes.pitch, planes.width > shift ? (planes.width - shift + stride - 1) / stride : 0));
      const from = source + ((<usize>(shift + first * stride)) << 2);
      for (let r = firstRow; r < firstRow + rows; r++, target += rowBytes) {
        const y = r * planes.strideY + ry - planes.paddingY;
        if (y < 0 || y >= planes.height) clear(target, target + rowBytes);
        else copyRow(from + ((<usize>(y * planes.width)) << 2), stride, first, end, target, rowBytes);
      }
    }
  }
}

/** target[first + j] = source[j·stride] up to `end`, zeros before and behind. */
@inline
function copyRow(source: usize, stride: i32, first: i32, end: i32, target: usize, rowBytes: usize): void {
  let to = target + ((<usize>first) << 2);
  const stop = target + ((<usize>end) << 2);
  clear(target, to);
  if (stride == 1) {
    for (; to + 16 <= stop; source += 16, to += 16) v128.store(to, v128.load(source));
  } else if (stride == 2) {
    // Every other element of seven is taken. The loads overlap, so that nothing behind the last of them is read.
    for (; to + 16 <= stop; source += 32, to += 16) v128.store(to, v128.shuffle<f32>(v128.load(source), v128.load(source, 12), 0, 2, 5, 7));
  }
  for (; to < stop; source += (<usize>stride) << 2, to += 4) store<f32>(to, load<f32>(source));
  clear(stop, target + rowBytes);
}

/**
 * The same copy for stride 1 in y and stride 2 in x, with even and odd columns of the padded image as the two phases. Both are made in one
 * pass, which Winograd's algorithm is worth.
 */
export function copyEvenAndOdd(planes: Planes, source: usize, channels: i32, firstRow: i32, rows: i32, target: usize): void {
  const width = planes.width, padding = planes.paddingX;
  const sourceRow = (<usize>width) << 2, rowBytes = (<usize>planes.pitch) << 2, phaseBytes = rows * rowBytes;
  const start = firstRow - planes.paddingY;
  for (let c = 0; c < channels; c++, source += sourceRow * planes.height, target += phaseBytes) {
    let from = source + start * sourceRow;
    for (let y = start; y < start + rows; y++, from += sourceRow) {
      const end = target + rowBytes;
      if (y < 0 || y >= planes.height) {
        for (; target < end; target += 16) {
          v128.store(target, zero());
          v128.store(target + phaseBytes, zero());
        }
      } else for (let x = -padding; target < end; x += 8, target += 16) splitColumns(from, x, width, target, target + phaseBytes);
    }
  }
}

/** Columns [x, x + 8) of a row: those at x, x + 2, … to `even`, the others to `odd`. Columns outside of the row are 0. */
@inline
function splitColumns(row: usize, x: i32, width: i32, even: usize, odd: usize): void {
  const at = row + ((<usize>x) << 2);
  let low: v128, high: v128;
  if (x >= 0 && x + 8 <= width) {
    low = v128.load(at);
    high = v128.load(at, 16);
  } else if (x == -1 && width >= 7) {
    low = v128.shuffle<f32>(zero(), v128.load(row), 0, 4, 5, 6);
    high = v128.load(row, 12);
  } else if (x >= width) {
    low = zero();
    high = zero();
  } else if (x == width - 1) {
    low = v128.load32_zero(at);
    high = zero();
  } else {
    for (let i = 0; i < 8; i++) {
      const value: f32 = x + i >= 0 && x + i < width ? load<f32>(at + ((<usize>i) << 2)) : 0;
      store<f32>((i & 1 ? odd : even) + ((<usize>(i >> 1)) << 2), value);
    }
    return;
  }
  v128.store(even, v128.shuffle<f32>(low, high, 0, 2, 4, 6));
  v128.store(odd, v128.shuffle<f32>(low, high, 1, 3, 5, 7));
}

/** Writes zeros to [from, to). A loop is used because the runs are short and memory.fill is a call into the engine. */
@inline
function clear(from: usize, to: usize): void {
  for (; from < to; from += 4) store<f32>(from, 0);
}
