/** Which of several trade-offs are worth having. */

export interface Tradeoff {
  readonly cost: number;
  readonly error: number;
}

/**
 * The points that no other beats: none costs no more and errs no more, and is better in one. By rising cost; of equal points the first.
 * O(n log n): along rising cost a point is on the front exactly when it errs less than all before.
 */
export function paretoFront<P extends Tradeoff>(points: readonly P[]): P[] {
  let least = Number.POSITIVE_INFINITY;
  return points
    .toSorted((a, b) => a.cost - b.cost || a.error - b.error)
    .filter(({ error }) => {
      const better = error < least;
      if (better) least = error;
      return better;
    });
}
