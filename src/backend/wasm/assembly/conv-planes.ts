/**
 * The padded copy of an image that makes every tap of a convolution read contiguous rows.
 *
 * With stride s, output column j reads source column s·j + r + (something fixed by the tap), where r < s. Splitting the padded image into its
 * s·s residues ("phases": rows ry, ry + s, …, columns rx, rx + s, …) turns any stride and dilation into stride 1: tap k of output
 * (i, j) stands at phase(k), row i + dy(k), column j + dx(k). Only phases that some tap reads are made. An image is a few tens of KB, so
 * the copy stays in the second-level cache, and each of its elements then serves O·Kh·Kw multiply-adds.
 *
 * Layout: [channel][phase][row][pitch]. Lanes behind a row's end may hold anything finite or not: results from them are dropped.
 */

@unmanaged
export class Planes {
  height: i32;
  width: i32;
  paddingY: i32;
  paddingX: i32;
  strideY: i32;
  strideX: i32;
  /** Pairs (ry, rx), one for each phase. */
  phases: usize;
  phaseCount: i32;
  pitch: i32;
  /** 1 where the source needs no copy: no padding and stride 1. */
  direct: i32;
}

/** Bytes of `rows` rows of all phases of one channel. */
// @ts-ignore: decorator
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
      const ry = load<i32>(planes.phases + ((<usize>phase) << 3));
      const rx = load<i32>(planes.phases + ((<usize>phase) << 3), 4);
      for (let r = firstRow; r < firstRow + rows; r++, target += rowBytes) {
        const y = r * planes.strideY + ry - planes.paddingY;
        if (y < 0 || y >= planes.height) memory.fill(target, 0, rowBytes);
        else copyRow(source + ((<usize>(y * planes.width)) << 2), planes.width, rx - planes.paddingX, planes.strideX, planes.pitch, target);
      }
    }
  }
}

/** target[j] = source[shift + j·stride] for j < pitch, 0 where that lies outside [0, width). */
function copyRow(source: usize, width: i32, shift: i32, stride: i32, pitch: i32, target: usize): void {
  const first = min(pitch, shift >= 0 ? 0 : (stride - 1 - shift) / stride);
  const end = max(first, min(pitch, width > shift ? (width - shift + stride - 1) / stride : 0));
  for (let j = 0; j < first; j++) store<f32>(target + ((<usize>j) << 2), 0);
  let j = first;
  let from = source + ((<usize>(shift + first * stride)) << 2);
  let to = target + ((<usize>first) << 2);
  if (stride == 1) {
    for (; j + 4 <= end; j += 4, from += 16, to += 16) v128.store(to, v128.load(from));
  } else if (stride == 2) {
    // Every other element of eight; strictly less, as the second load reads one element more than is used.
    for (; j + 4 < end; j += 4, from += 32, to += 16) v128.store(to, v128.shuffle<f32>(v128.load(from), v128.load(from, 16), 0, 2, 4, 6));
  }
  for (; j < end; j++, from += (<usize>stride) << 2, to += 4) store<f32>(to, load<f32>(from));
  for (; j < pitch; j++, to += 4) store<f32>(to, 0);
}
