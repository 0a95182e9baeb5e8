/**
 * The passes of a complex Fourier transform, four transforms at a time, one to a lane: Z_k = Σ_m z_m·e^(−2πikm/points), in place.
 *
 * Point p stands at 32·p bytes: four real parts, then four imaginary parts. A pass of radix r joins r transforms of `span` points that lie
 * one after the other into one of r·span (decimation in time), so the points come in digit-reversed order and leave in natural order;
 * whoever writes them in applies the order by a table. Lanes never mix, so there are no shuffles, and the rounding of a column does not
 * depend on its neighbours.
 *
 * The body of each butterfly is written once and inlined twice, with and without twiddles. In the first pass (span 1) all twiddles are 1.
 */

import { multiplyAdd } from "./simd";

@unmanaged
export class FourierPass {
  radix: i32;
  span: i32;
  /** (radix − 1) factors, real and imaginary part, for each of the span's points. */
  twiddles: usize;
}

export const passBytes = offsetof<FourierPass>();
const pointBytes: usize = 32;

/** c − a·b. */
@inline
export function multiplySubtract(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** Real and imaginary part of (ar + i·ai)(br + i·bi). */
@inline
export function productReal(ar: v128, ai: v128, br: v128, bi: v128): v128 {
  return multiplySubtract(ai, bi, f32x4.mul(ar, br));
}

@inline
export function productImaginary(ar: v128, ai: v128, br: v128, bi: v128): v128 {
  return multiplyAdd(ai, br, f32x4.mul(ar, bi));
}

/** Real and imaginary part of point `at`, times the twiddle at `w`. */
@inline
function real(twiddled: bool, at: usize, w: usize): v128 {
  if (!twiddled) return v128.load(at);
  return productReal(v128.load(at), v128.load(at, 16), v128.load32_splat(w), v128.load32_splat(w, 4));
}

@inline
function imaginary(twiddled: bool, at: usize, w: usize): v128 {
  if (!twiddled) return v128.load(at, 16);
  return productImaginary(v128.load(at), v128.load(at, 16), v128.load32_splat(w), v128.load32_splat(w, 4));
}

@inline
function put(at: usize, re: v128, im: v128): void {
  v128.store(at, re);
  v128.store(at, im, 16);
}

@inline
function butterfly2(twiddled: bool, p0: usize, step: usize, w: usize): void {
  const p1 = p0 + step;
  const r0 = v128.load(p0), i0 = v128.load(p0, 16);
  const r1 = real(twiddled, p1, w), i1 = imaginary(twiddled, p1, w);
  put(p0, f32x4.add(r0, r1), f32x4.add(i0, i1));
  put(p1, f32x4.sub(r0, r1), f32x4.sub(i0, i1));
}

@inline
function butterfly3(twiddled: bool, p0: usize, step: usize, w: usize): void {
  const p1 = p0 + step, p2 = p1 + step;
  const r0 = v128.load(p0), i0 = v128.load(p0, 16);
  const r1 = real(twiddled, p1, w), i1 = imaginary(twiddled, p1, w);
  const r2 = real(twiddled, p2, w + 8), i2 = imaginary(twiddled, p2, w + 8);
  const sr = f32x4.add(r1, r2), si = f32x4.add(i1, i2);
  const half = f32x4.splat(0.5), sine = f32x4.splat(0.86602540378443864676); // cos, sin 60°
  const mr = multiplySubtract(half, sr, r0), mi = multiplySubtract(half, si, i0);
  const dr = f32x4.mul(sine, f32x4.sub(r1, r2)), di = f32x4.mul(sine, f32x4.sub(i1, i2));
  put(p0, f32x4.add(r0, sr), f32x4.add(i0, si));
  put(p1, f32x4.add(mr, di), f32x4.sub(mi, dr));
  put(p2, f32x4.sub(mr, di), f32x4.add(mi, dr));
}

@inline
function butterfly4(twiddled: bool, p0: usize, step: usize, w: usize): void {
  const p1 = p0 + step, p2 = p1 + step, p3 = p2 + step;
  const r0 = v128.load(p0), i0 = v128.load(p0, 16);
  const r1 = real(twiddled, p1, w), i1 = imaginary(twiddled, p1, w);
  const r2 = real(twiddled, p2, w + 8), i2 = imaginary(twiddled, p2, w + 8);
  const r3 = real(twiddled, p3, w + 16), i3 = imaginary(twiddled, p3, w + 16);
  const er = f32x4.add(r0, r2), ei = f32x4.add(i0, i2), fr = f32x4.sub(r0, r2), fi = f32x4.sub(i0, i2);
  const gr = f32x4.add(r1, r3), gi = f32x4.add(i1, i3), hr = f32x4.sub(r1, r3), hi = f32x4.sub(i1, i3);
  put(p0, f32x4.add(er, gr), f32x4.add(ei, gi));
  put(p1, f32x4.add(fr, hi), f32x4.sub(fi, hr));
  put(p2, f32x4.sub(er, gr), f32x4.sub(ei, gi));
  put(p3, f32x4.sub(fr, hi), f32x4.add(fi, hr));
}

@inline
function butterfly5(twiddled: bool, p0: usize, step: usize, w: usize): void {
  const p1 = p0 + step, p2 = p1 + step, p3 = p2 + step, p4 = p3 + step;
  const r0 = v128.load(p0), i0 = v128.load(p0, 16);
  const r1 = real(twiddled, p1, w), i1 = imaginary(twiddled, p1, w);
  const r4 = real(twiddled, p4, w + 24), i4 = imaginary(twiddled, p4, w + 24);
  const ar = f32x4.add(r1, r4), ai = f32x4.add(i1, i4), br = f32x4.sub(r1, r4), bi = f32x4.sub(i1, i4);
  const r2 = real(twiddled, p2, w + 8), i2 = imaginary(twiddled, p2, w + 8);
  const r3 = real(twiddled, p3, w + 16), i3 = imaginary(twiddled, p3, w + 16);
  const cr = f32x4.add(r2, r3), ci = f32x4.add(i2, i3), dr = f32x4.sub(r2, r3), di = f32x4.sub(i2, i3);
  const c1 = f32x4.splat(0.30901699437494742410), c2 = f32x4.splat(-0.80901699437494742410); // cos 72°, 144°
  const s1 = f32x4.splat(0.95105651629515357212), s2 = f32x4.splat(0.58778525229247312917); // sin 72°, 144°
  put(p0, f32x4.add(f32x4.add(r0, ar), cr), f32x4.add(f32x4.add(i0, ai), ci));
  const er = multiplyAdd(c2, cr, multiplyAdd(c1, ar, r0)), ei = multiplyAdd(c2, ci, multiplyAdd(c1, ai, i0));
  const fr = multiplyAdd(s2, dr, f32x4.mul(s1, br)), fi = multiplyAdd(s2, di, f32x4.mul(s1, bi));
  put(p1, f32x4.add(er, fi), f32x4.sub(ei, fr));
  put(p4, f32x4.sub(er, fi), f32x4.add(ei, fr));
  const gr = multiplyAdd(c1, cr, multiplyAdd(c2, ar, r0)), gi = multiplyAdd(c1, ci, multiplyAdd(c2, ai, i0));
  const hr = multiplySubtract(s1, dr, f32x4.mul(s2, br)), hi = multiplySubtract(s1, di, f32x4.mul(s2, bi));
  put(p2, f32x4.add(gr, hi), f32x4.sub(gi, hr));
  put(p3, f32x4.sub(gr, hi), f32x4.add(gi, hr));
}

@inline
function butterfly(radix: i32, twiddled: bool, p0: usize, step: usize, w: usize): void {
  if (radix == 2) butterfly2(twiddled, p0, step, w);
  else if (radix == 3) butterfly3(twiddled, p0, step, w);
  else if (radix == 4) butterfly4(twiddled, p0, step, w);
  else butterfly5(twiddled, p0, step, w);
}

@inline
function firstPass(radix: i32, buffer: usize, end: usize): void {
  for (let at = buffer; at < end; at += (<usize>radix) * pointBytes) butterfly(radix, false, at, pointBytes, 0);
}

@inline
function laterPass(radix: i32, buffer: usize, end: usize, span: usize, twiddles: usize): void {
  for (let group = buffer; group < end; group += (<usize>radix) * span) {
    let w = twiddles;
    for (let at = group; at < group + span; at += pointBytes, w += (<usize>(radix - 1)) << 3) butterfly(radix, true, at, span, w);
  }
}

// There is one function for each radix and kind, because V8 optimises each function on its own.
function first2(buffer: usize, end: usize): void { firstPass(2, buffer, end); }
function first3(buffer: usize, end: usize): void { firstPass(3, buffer, end); }
function first4(buffer: usize, end: usize): void { firstPass(4, buffer, end); }
function first5(buffer: usize, end: usize): void { firstPass(5, buffer, end); }
function later2(buffer: usize, end: usize, span: usize, twiddles: usize): void { laterPass(2, buffer, end, span, twiddles); }
function later3(buffer: usize, end: usize, span: usize, twiddles: usize): void { laterPass(3, buffer, end, span, twiddles); }
function later4(buffer: usize, end: usize, span: usize, twiddles: usize): void { laterPass(4, buffer, end, span, twiddles); }
function later5(buffer: usize, end: usize, span: usize, twiddles: usize): void { laterPass(5, buffer, end, span, twiddles); }

export function fourierPass(pass: FourierPass, buffer: usize, points: i32): void {
  const end = buffer + (<usize>points) * pointBytes;
  const radix = pass.radix;
  if (pass.span == 1) {
    if (radix == 2) first2(buffer, end);
    else if (radix == 3) first3(buffer, end);
    else if (radix == 4) first4(buffer, end);
    else first5(buffer, end);
    return;
  }
  const span = (<usize>pass.span) * pointBytes;
  if (radix == 2) later2(buffer, end, span, pass.twiddles);
  else if (radix == 3) later3(buffer, end, span, pass.twiddles);
  else if (radix == 4) later4(buffer, end, span, pass.twiddles);
  else later5(buffer, end, span, pass.twiddles);
}
