/**
 * The discrete cosine transform of length n as a matrix, and the plan and the cost of the fast algorithm (docs/derivations/cosine-transform.md).
 *
 * D[k,i] = 2·cos(πk(2i+1)/2n): DCT-II without normalisation, the convention of scipy.fft.dct and of the paper's ACDC layers.
 * D·Dᵀ = diag(4n, 2n, 2n, …).
 */

/** cos(π·step/2n), from an angle within the first quadrant: zero where it is zero, and each value as exact as Math.cos of a small number. */
function quarterCosine(step: number, n: number): number {
  const around = step % (4 * n);
  const folded = Math.min(around, 4 * n - around);
  const quadrant = Math.min(folded, 2 * n - folded);
  const cosine = 2 * quadrant <= n ? Math.cos((Math.PI * quadrant) / (2 * n)) : Math.sin((Math.PI * (n - quadrant)) / (2 * n));
  return folded > n ? -cosine : cosine;
}

/** D:[n,n], row by row. */
export function cosineMatrix(n: number): Float64Array {
  const cosines = Float64Array.from({ length: 4 * n }, (_, step) => 2 * quarterCosine(step, n));
  const matrix = new Float64Array(n * n);
  for (let k = 0; k < n; k++) for (let i = 0; i < n; i++) matrix[k * n + i] = cosines[(k * (2 * i + 1)) % (4 * n)]!;
  return matrix;
}

/** The complex Fourier transform that a fast cosine transform rests on. */
export interface CosineTransformPlan {
  /** Its length: n/2 for even n (two real numbers to a complex one), n for odd n (imaginary parts 0). */
  readonly points: number;
  /** The sizes of the butterflies of its passes, first to last; their product is `points`. */
  readonly radices: readonly (2 | 3 | 4 | 5)[];
}

/** The plan for n = 2^a·3^b·5^c ≥ 1; undefined for other lengths, which are multiplied by the matrix. */
export function cosineTransformPlan(n: number): CosineTransformPlan | undefined {
  if (n < 1) return undefined;
  const points = n % 2 === 0 ? n / 2 : n;
  const radices: (2 | 3 | 4 | 5)[] = [];
  let rest = points;
  // The first pass needs no twiddles, which saves most for the largest butterfly; a single 2 comes last.
  for (const radix of [5, 3, 4, 2] as const)
    while (rest % radix === 0) {
      radices.push(radix);
      rest /= radix;
    }
  return rest === 1 ? { points, radices } : undefined;
}

/** Operations of one butterfly, twiddles apart: radix 2 and 4 only add; 3 has 4 multiplications, 5 has 16, the rest are additions. */
const butterflyOperations = { 2: 4, 3: 14, 4: 16, 5: 36 } as const;

/**
 * Operations executed for one column of length n. A real multiplication with the addition that follows, if any, is one, also where the factor
 * happens to be 1; an addition on its own is one too, for in a fast transform these are half the work. Not fast: n² multiply-adds. Fast: in each
 * pass of radix r, points/r butterflies, with four operations for each of r − 1 twiddles from the second pass on; then the rotation into
 * cosines. The same in both directions.
 */
export function cosineTransformMultiplyAdds(n: number): number {
  const plan = cosineTransformPlan(n);
  if (plan === undefined) return n * n;
  const { points, radices } = plan;
  const passes = radices.reduce(
    (total, radix, pass) => total + (points / radix) * (butterflyOperations[radix] + (pass === 0 ? 0 : 4 * (radix - 1))),
    0,
  );
  if (points === n) return passes + 1 + 4 * ((n - 1) / 2); // odd: y₀ = v + v, then a rotation for each k and n − k
  const pairs = Math.ceil(points / 2) - 1;
  // Point 0 makes three additions and a product; each pair ten additions and ten products; the middle, its own partner, four products.
  return passes + 4 + 20 * pairs + (points % 2 === 0 ? 4 : 0);
}
