/**
 * The discrete cosine transform of length n as a matrix, and the plan and the cost of the fast algorithm
 * (docs/derivations/cosine-transform.md).
 *
 * D[k,i] = 2·cos(πk(2i+1)/2n). This is the DCT-II without normalisation, the convention of scipy.fft.dct and of the paper's ACDC layers.
 * Its rows are orthogonal: D·Dᵀ = diag(4n, 2n, 2n, …).
 */

/**
 * cos(π·step/2n). The angle is first reduced to the first octant, where Math.cos and Math.sin are most accurate. So the result is exactly 0
 * where the cosine is 0.
 */
function quarterCosine(step: number, n: number): number {
  const around = step % (4 * n);
  const folded = Math.min(around, 4 * n - around);
  const quadrant = Math.min(folded, 2 * n - folded);
  const cosine = 2 * quadrant <= n ? Math.cos((Math.PI * quadrant) / (2 * n)) : Math.sin((Math.PI * (n - quadrant)) / (2 * n));
  return folded > n ? -cosine : cosine;
}

/** The matrix D:[n,n] in row-major order. */
export function cosineMatrix(n: number): Float64Array {
  const cosines = Float64Array.from({ length: 4 * n }, (_, step) => 2 * quarterCosine(step, n));
  const matrix = new Float64Array(n * n);
  for (let k = 0; k < n; k++) for (let i = 0; i < n; i++) matrix[k * n + i] = cosines[(k * (2 * i + 1)) % (4 * n)]!;
  return matrix;
}

/** The complex Fourier transform that the fast cosine transform is computed by. */
export interface CosineTransformPlan {
  /**
   * The length of the Fourier transform. For even n it is n/2: two real numbers make one complex number. For odd n it is n, with imaginary
   * parts of 0.
   */
  readonly points: number;
  /** The radix of each pass, from the first to the last. Their product is `points`. */
  readonly radices: readonly (2 | 3 | 4 | 5)[];
}

/** The plan for n = 2^a·3^b·5^c ≥ 1. It is undefined for other lengths: those are multiplied by the matrix. */
export function cosineTransformPlan(n: number): CosineTransformPlan | undefined {
  if (n < 1) return undefined;
  const points = n % 2 === 0 ? n / 2 : n;
  const radices: (2 | 3 | 4 | 5)[] = [];
  let rest = points;
  // The first pass needs no twiddle factors. The largest radix comes first, because it has the most of them to save. A single 2 comes last.
  for (const radix of [5, 3, 4, 2] as const)
    while (rest % radix === 0) {
      radices.push(radix);
      rest /= radix;
    }
  return rest === 1 ? { points, radices } : undefined;
}

/**
 * The operations of one butterfly without its twiddle factors. Radix 2 and radix 4 only add. Radix 3 has 4 multiplications and radix 5 has
 * 16.
 */
const butterflyOperations = { 2: 4, 3: 14, 4: 16, 5: 36 } as const;

/**
 * The operations executed for one column of length n, the same number for D and Dᵀ.
 *
 * A multiplication counts as one operation, together with the addition that follows it. It counts even if its factor is 1. An addition on
 * its own counts as one operation too, because such additions are half the work of a fast transform. A length without a plan takes n²
 * multiply-adds. A length with a plan takes points/r butterflies in each pass of radix r, and then the rotation into cosines. From the
 * second pass on, each butterfly also multiplies by r − 1 twiddle factors, at four operations each.
 */
export function cosineTransformMultiplyAdds(n: number): number {
  const plan = cosineTransformPlan(n);
  if (plan === undefined) return n * n;
  const { points, radices } = plan;
  const passes = radices.reduce(
    (total, radix, pass) => total + (points / radix) * (butterflyOperations[radix] + (pass === 0 ? 0 : 4 * (radix - 1))),
    0,
  );
  if (points === n) return passes + 1 + 4 * ((n - 1) / 2); // odd n: y₀ = v + v, then one rotation for each pair k and n − k
  const pairs = Math.ceil(points / 2) - 1;
  // Point 0 takes three additions and a product. Each pair takes ten additions and ten products. The middle point is its own partner: four
  // products.
  return passes + 4 + 20 * pairs + (points % 2 === 0 ? 4 : 0);
}
