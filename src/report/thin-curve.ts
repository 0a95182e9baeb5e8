/** Leaves out points of a curve that a plot cannot show. */

/** A point of a curve over epochs. */
export interface CurvePoint {
  readonly epoch: number;
  readonly at: number;
}

/** Points for each pixel of the width: the first, the lowest, the highest and the last one. */
const pointsPerColumn = 4;

/**
 * The points that matter for the drawing, in their order. Of all points in one column of pixels these are the first, the lowest, the
 * highest and the last one, so the line covers the same pixels. A curve of few points keeps all of them.
 * @param points By rising epochs. @param x The position of an epoch in pixels.
 */
export function thinned<P extends CurvePoint>(points: readonly P[], x: (epoch: number) => number): readonly P[] {
  const column = (point: P): number => Math.floor(x(point.epoch));
  if (points.length === 0 || points.length <= pointsPerColumn * (column(points.at(-1)!) - column(points[0]!) + 1)) return points;
  const kept: P[] = [];
  for (let start = 0, end = 0; start < points.length; start = end) {
    let [lowest, highest] = [start, start];
    for (end = start; end < points.length && column(points[end]!) === column(points[start]!); end++) {
      if (points[end]!.at < points[lowest]!.at) lowest = end;
      if (points[end]!.at > points[highest]!.at) highest = end;
    }
    const indices = [...new Set([start, lowest, highest, end - 1])].sort((a, b) => a - b);
    for (const index of indices) kept.push(points[index]!);
  }
  return kept;
}
