/** The Pareto front of cost and error. */

export interface Tradeoff {
  readonly cost: number;
  readonly error: number;
}

/**
 * The points that no other point dominates, by rising cost. A point dominates another if its cost and its error are not larger, and one of
 * them is smaller. Of equal points the first one is kept. In the order of rising cost, a point is on the front exactly when its error is
 * smaller than the error of every point before it.
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
