/**
 * The fast cosine transform of the columns of [outer, n, inner] (docs/derivations/cosine-transform.md): sixteen columns, a cache line of
 * each row, to a block. The forward transform reads the rows of a block in Makhoul's order, two to a complex point, into four buffers of
 * four columns. Each buffer is Fourier transformed while it is in the first-level cache. Then points k and points − k are rotated into four
 * rows of the result. The transposed transform takes the same steps in reverse order, with the conjugate Fourier transform:
 * the same passes with real and imaginary parts exchanged.
 *
 * Where rows are shorter than a block, the columns come from several outer slices. They are collected in a staging area of the same
 * form as a row of blocks, and distributed again afterwards. Lanes without a column compute on arbitrary numbers, and are not stored.
 */

import { FourierPass, fourierPass, multiplySubtract, passBytes, productImaginary, productReal } from "./fourier-passes";
import { multiplyAdd, zero } from "./simd";
import { cosineColumns } from "../shared/sizes";
import { JOB, parallel, thread } from "./team";

/** What the host writes. */
@unmanaged
export class CosineJob {
  x: usize;
  y: usize;
  n: i32;
  inner: i32;
  columns: i32;
  transposed: i32;
  /** Points of the Fourier transform: n/2, or n for odd n. */
  points: i32;
  passes: usize;
  passCount: i32;
  /**
   * For each row of x the bytes from the start of a buffer to the half point that the row becomes;
   * when transposed, for each row of y the half point it comes from.
   */
  halves: usize;
  /** For point k the bytes from the start of a buffer to where the first pass reads it. Only the transposed transform uses this list. */
  places: usize;
  /** For points k = 1, 2, … the factors of the rotation into cosines. */
  rotations: usize;
  blocks: i32;
  blocksPerChunk: i32;
  scratch: usize;
  scratchBytes: usize;
  bufferBytes: usize;
}

const WIDTH = cosineColumns;
const HALF_ROOT: f32 = 0.70710678118654752440; // √½
const ROOT: f32 = 1.41421356237309504880; // √2
const MIDDLE_COSINE: f32 = 1.84775906502257351226; // 2·cos(π/8)
const MIDDLE_SINE: f32 = 0.76536686473017954346; // 2·sin(π/8)

export function cosineTransform(description: usize, shared: bool): void {
  const job = changetype<CosineJob>(description);
  store<usize>(JOB, description);
  parallel(someBlocks, (job.blocks + job.blocksPerChunk - 1) / job.blocksPerChunk, shared);
}

function someBlocks(chunk: i32): void {
  const job = changetype<CosineJob>(load<usize>(JOB));
  const buffers = job.scratch + thread() * job.scratchBytes;
  const end = min(job.blocks, (chunk + 1) * job.blocksPerChunk);
  for (let block = chunk * job.blocksPerChunk; block < end; block++) {
    if (job.inner < WIDTH) {
      const staging = buffers + 4 * job.bufferBytes;
      const first = block * WIDTH;
      const count = min(WIDTH, job.columns - first);
      collect(job, first, count, staging);
      transform(job, staging, staging, WIDTH << 2, (count + 3) >> 2, buffers);
      distribute(job, first, count, staging);
    } else {
      // The last block of a row starts early enough to be whole: columns computed twice come out the same.
      const perRow = (job.inner + WIDTH - 1) / WIDTH;
      const column = min((block % perRow) * WIDTH, job.inner - WIDTH);
      const offset = ((<usize>(block / perRow)) * job.n * job.inner + column) << 2;
      transform(job, job.x + offset, job.y + offset, (<usize>job.inner) << 2, 4, buffers);
    }
  }
}

function transform(job: CosineJob, x: usize, y: usize, row: usize, vectors: i32, buffers: usize): void {
  const odd = job.points == job.n;
  if (!job.transposed) readRows(job, x, row, buffers);
  else if (odd) rotateBackOdd(job, x, row, vectors, buffers);
  else rotateBack(job, x, row, vectors, buffers);
  for (let v = 0; v < vectors; v++)
    for (let i = 0; i < job.passCount; i++)
      fourierPass(changetype<FourierPass>(job.passes + i * passBytes), buffers + v * job.bufferBytes, job.points);
  if (job.transposed) writeRows(job, y, row, buffers);
  else if (odd) rotateOdd(job, y, row, vectors, buffers);
  else rotate(job, y, row, vectors, buffers);
}

function readRows(job: CosineJob, x: usize, row: usize, buffers: usize): void {
  const step = job.bufferBytes;
  const odd = job.points == job.n;
  const end = job.halves + ((<usize>job.n) << 2);
  for (let table = job.halves; table < end; table += 4, x += row) {
    const b0 = buffers + load<usize>(table), b1 = b0 + step, b2 = b1 + step, b3 = b2 + step;
    v128.store(b0, v128.load(x));
    v128.store(b1, v128.load(x, 16));
    v128.store(b2, v128.load(x, 32));
    v128.store(b3, v128.load(x, 48));
    if (odd) {
      v128.store(b0, zero(), 16);
      v128.store(b1, zero(), 16);
      v128.store(b2, zero(), 16);
      v128.store(b3, zero(), 16);
    }
  }
}

function writeRows(job: CosineJob, y: usize, row: usize, buffers: usize): void {
  const step = job.bufferBytes;
  const end = job.halves + ((<usize>job.n) << 2);
  for (let table = job.halves; table < end; table += 4, y += row) {
    const b0 = buffers + load<usize>(table), b1 = b0 + step, b2 = b1 + step, b3 = b2 + step;
    v128.store(y, v128.load(b0));
    v128.store(y, v128.load(b1), 16);
    v128.store(y, v128.load(b2), 32);
    v128.store(y, v128.load(b3), 48);
  }
}

/** For even n: computes rows k, n − k, m and n − m from points k and m = points − k. */
function rotate(job: CosineJob, y: usize, row: usize, vectors: i32, buffers: usize): void {
  const points = <usize>job.points;
  const step = job.bufferBytes;
  const middle = points * row;
  const halfRoot = f32x4.splat(HALF_ROOT), root = f32x4.splat(ROOT);
  for (let v: usize = 0, z = buffers; v < <usize>vectors; v++, z += step) {
    const re = v128.load(z), im = v128.load(z, 16);
    const sum = f32x4.add(re, im);
    v128.store(y + (v << 4), f32x4.add(sum, sum));
    v128.store(y + middle + (v << 4), f32x4.mul(root, f32x4.sub(re, im)));
  }
  let w = job.rotations;
  for (let k: usize = 1; k << 1 < points; k++, w += 16) {
    const wr = v128.load32_splat(w), wi = v128.load32_splat(w, 4), qr = v128.load32_splat(w, 8), qi = v128.load32_splat(w, 12);
    let yk = y + k * row, ym = y + (points - k) * row, yp = y + (points + k) * row, yn = y + ((points << 1) - k) * row;
    let zk = buffers + (k << 5), zm = buffers + ((points - k) << 5);
    for (let v = 0; v < vectors; v++) {
      const kr = v128.load(zk), ki = v128.load(zk, 16), mr = v128.load(zm), mi = v128.load(zm, 16);
      const sr = f32x4.add(kr, mr), si = f32x4.sub(ki, mi), dr = f32x4.sub(kr, mr), di = f32x4.add(ki, mi);
      const pr = productReal(sr, si, wr, wi), pi = productImaginary(sr, si, wr, wi);
      const tr = productReal(dr, di, qr, qi), ti = productImaginary(dr, di, qr, qi);
      const a = f32x4.sub(pr, tr), b = f32x4.sub(pi, ti);
      v128.store(yk, f32x4.add(pr, tr));
      v128.store(yn, f32x4.neg(f32x4.add(pi, ti)));
      v128.store(ym, f32x4.mul(halfRoot, f32x4.sub(a, b)));
      v128.store(yp, f32x4.mul(halfRoot, f32x4.add(a, b)));
      yk += 16; ym += 16; yp += 16; yn += 16;
      zk += step; zm += step;
    }
  }
  if (points & 1) return;
  const half = points >> 1;
  const c = f32x4.splat(MIDDLE_COSINE), s = f32x4.splat(MIDDLE_SINE);
  for (let v: usize = 0, z = buffers + (half << 5); v < <usize>vectors; v++, z += step) {
    const re = v128.load(z), im = v128.load(z, 16);
    v128.store(y + half * row + (v << 4), multiplySubtract(s, im, f32x4.mul(c, re)));
    v128.store(y + (points + half) * row + (v << 4), multiplyAdd(c, im, f32x4.mul(s, re)));
  }
}

/** The transpose of `rotate`. It writes to the places that the first pass reads, imaginary parts first. */
function rotateBack(job: CosineJob, x: usize, row: usize, vectors: i32, buffers: usize): void {
  const points = <usize>job.points;
  const step = job.bufferBytes;
  const places = job.places;
  const middle = points * row;
  const halfRoot = f32x4.splat(HALF_ROOT), root = f32x4.splat(ROOT);
  for (let v: usize = 0, z = buffers + load<usize>(places); v < <usize>vectors; v++, z += step) {
    const g0 = v128.load(x + (v << 4)), g1 = f32x4.mul(root, v128.load(x + middle + (v << 4)));
    const twice = f32x4.add(g0, g0);
    v128.store(z, f32x4.sub(twice, g1));
    v128.store(z, f32x4.add(twice, g1), 16);
  }
  let w = job.rotations;
  for (let k: usize = 1; k << 1 < points; k++, w += 16) {
    const wr = v128.load32_splat(w), wi = v128.load32_splat(w, 4), qr = v128.load32_splat(w, 8), qi = v128.load32_splat(w, 12);
    let xk = x + k * row, xm = x + (points - k) * row, xp = x + (points + k) * row, xn = x + ((points << 1) - k) * row;
    let zk = buffers + load<usize>(places + (k << 2)), zm = buffers + load<usize>(places + ((points - k) << 2));
    for (let v = 0; v < vectors; v++) {
      const gk = v128.load(xk), gn = v128.load(xn), gm = v128.load(xm), gp = v128.load(xp);
      const br = f32x4.mul(halfRoot, f32x4.add(gp, gm)), bi = f32x4.mul(halfRoot, f32x4.sub(gp, gm));
      const pr = f32x4.add(gk, br), pi = f32x4.sub(bi, gn), tr = f32x4.sub(gk, br), ti = f32x4.neg(f32x4.add(gn, bi));
      // conj(w)·p and conj(q)·t
      const sr = multiplyAdd(wi, pi, f32x4.mul(wr, pr)), si = multiplySubtract(wi, pr, f32x4.mul(wr, pi));
      const dr = multiplyAdd(qi, ti, f32x4.mul(qr, tr)), di = multiplySubtract(qi, tr, f32x4.mul(qr, ti));
      v128.store(zk, f32x4.add(si, di));
      v128.store(zk, f32x4.add(sr, dr), 16);
      v128.store(zm, f32x4.sub(di, si));
      v128.store(zm, f32x4.sub(sr, dr), 16);
      xk += 16; xm += 16; xp += 16; xn += 16;
      zk += step; zm += step;
    }
  }
  if (points & 1) return;
  const half = points >> 1;
  const c = f32x4.splat(MIDDLE_COSINE), s = f32x4.splat(MIDDLE_SINE);
  for (let v: usize = 0, z = buffers + load<usize>(places + (half << 2)); v < <usize>vectors; v++, z += step) {
    const g0 = v128.load(x + half * row + (v << 4)), g1 = v128.load(x + (points + half) * row + (v << 4));
    v128.store(z, multiplySubtract(s, g0, f32x4.mul(c, g1)));
    v128.store(z, multiplyAdd(s, g1, f32x4.mul(c, g0)), 16);
  }
}

/** For odd n: computes rows k and n − k from point k. The points above n/2 are conjugates and are not needed. */
function rotateOdd(job: CosineJob, y: usize, row: usize, vectors: i32, buffers: usize): void {
  const n = <usize>job.n;
  for (let v: usize = 0, z = buffers; v < <usize>vectors; v++, z += job.bufferBytes) {
    const re = v128.load(z);
    v128.store(y + (v << 4), f32x4.add(re, re));
  }
  let w = job.rotations;
  for (let k: usize = 1; k << 1 < n; k++, w += 8) {
    const wr = v128.load32_splat(w), wi = v128.load32_splat(w, 4);
    for (let v: usize = 0, z = buffers + (k << 5); v < <usize>vectors; v++, z += job.bufferBytes) {
      const re = v128.load(z), im = v128.load(z, 16);
      v128.store(y + k * row + (v << 4), productReal(re, im, wr, wi));
      v128.store(y + (n - k) * row + (v << 4), f32x4.neg(productImaginary(re, im, wr, wi)));
    }
  }
}

/** The transpose of `rotateOdd`. The points above n/2 contribute nothing, so their places are set to zero. */
function rotateBackOdd(job: CosineJob, x: usize, row: usize, vectors: i32, buffers: usize): void {
  const n = <usize>job.n;
  const places = job.places;
  for (let v: usize = 0, z = buffers + load<usize>(places); v < <usize>vectors; v++, z += job.bufferBytes) {
    const g = v128.load(x + (v << 4));
    v128.store(z, zero());
    v128.store(z, f32x4.add(g, g), 16);
  }
  let w = job.rotations;
  for (let k: usize = 1; k << 1 < n; k++, w += 8) {
    const wr = v128.load32_splat(w), wi = v128.load32_splat(w, 4);
    let zk = buffers + load<usize>(places + (k << 2)), zn = buffers + load<usize>(places + ((n - k) << 2));
    for (let v: usize = 0; v < <usize>vectors; v++, zk += job.bufferBytes, zn += job.bufferBytes) {
      const gk = v128.load(x + k * row + (v << 4)), gn = v128.load(x + (n - k) * row + (v << 4));
      v128.store(zk, f32x4.neg(multiplyAdd(wr, gn, f32x4.mul(wi, gk))));
      v128.store(zk, multiplySubtract(wi, gn, f32x4.mul(wr, gk)), 16);
      v128.store(zn, zero());
      v128.store(zn, zero(), 16);
    }
  }
}

/** The offset in bytes at which column `index` begins. */
@inline
function columnOffset(job: CosineJob, index: i32): usize {
  return ((<usize>(index / job.inner)) * job.n * job.inner + (index % job.inner)) << 2;
}

/** Columns from different slices into rows of sixteen. */
function collect(job: CosineJob, first: i32, count: i32, staging: usize): void {
  const row = (<usize>job.inner) << 2;
  const end = staging + (<usize>job.n) * (WIDTH << 2);
  for (let c = 0; c < count; c++) {
    let from = job.x + columnOffset(job, first + c);
    for (let to = staging + ((<usize>c) << 2); to < end; to += WIDTH << 2, from += row) store<f32>(to, load<f32>(from));
  }
}

function distribute(job: CosineJob, first: i32, count: i32, staging: usize): void {
  const row = (<usize>job.inner) << 2;
  const end = staging + (<usize>job.n) * (WIDTH << 2);
  for (let c = 0; c < count; c++) {
    let to = job.y + columnOffset(job, first + c);
    for (let from = staging + ((<usize>c) << 2); from < end; from += WIDTH << 2, to += row) store<f32>(to, load<f32>(from));
  }
}
