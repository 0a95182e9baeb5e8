/**
 * Places the vertices of a graph in the plane: two vertices are to be as far apart as the shortest path between them is long. Classical scaling
 * (Torgerson 1952) gives a first picture, and stress majorisation (Gansner, Koren & North 2004) the final one. It is turned so that
 * its longest extent is horizontal.
 */

import { eigh } from "../../../linalg/eigh.ts";
import { matrix } from "../../../linalg/matrix.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

const rounds = 200;
/** The wanted distance of two vertices between which there is no path. */
const apart = 2.2;

/** The lengths of the shortest paths, by Floyd and Warshall. */
function distances(count: number, edges: readonly (readonly [number, number, number])[]): number[][] {
  const d = Array.from({ length: count }, (_, i) => Array.from({ length: count }, (_, j) => (i === j ? 0 : Infinity)));
  for (const [a, b, length] of edges)
    if (a !== b) {
      d[a]![b] = Math.min(d[a]![b]!, length);
      d[b]![a] = d[a]![b]!;
    }
  for (let k = 0; k < count; k++)
    for (let i = 0; i < count; i++) for (let j = 0; j < count; j++) d[i]![j] = Math.min(d[i]![j]!, d[i]![k]! + d[k]![j]!);
  return d.map((line) => line.map((length) => (length === Infinity ? apart : length)));
}

/** The plane in which the inner products that belong to the distances are best approximated. */
function classicalScaling(d: readonly (readonly number[])[]): Point[] {
  const count = d.length;
  const squares = d.map((line) => line.map((length) => length ** 2));
  const means = squares.map((line) => line.reduce((sum, square) => sum + square, 0) / count);
  const mean = means.reduce((sum, each) => sum + each, 0) / count;
  const products = squares.flatMap((line, i) => line.map((square, j) => (means[i]! + means[j]! - mean - square) / 2));
  const { values, vectors } = eigh(matrix(count, count, products));
  const coordinate = (i: number, axis: number): number =>
    axis < 0 ? 0 : Math.sqrt(Math.max(0, values[axis]!)) * vectors.data[i * count + axis]!;
  return d.map((_, i) => ({
    x: coordinate(i, count - 1),
    y: coordinate(i, count - 2),
  }));
}

/** The points turned about their mean so that the principal axis is horizontal, and the first one is on the left. */
function turned(points: readonly Point[]): Point[] {
  const mean = {
    x: points.reduce((sum, { x }) => sum + x, 0) / points.length,
    y: points.reduce((sum, { y }) => sum + y, 0) / points.length,
  };
  const centred = points.map(({ x, y }) => ({ x: x - mean.x, y: y - mean.y }));
  const moment = (f: (p: Point) => number): number => centred.reduce((sum, p) => sum + f(p), 0);
  const angle =
    Math.atan2(
      2 * moment(({ x, y }) => x * y),
      moment(({ x, y }) => x * x - y * y),
    ) / 2;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const level = centred.map(({ x, y }) => ({ x: cos * x + sin * y, y: cos * y - sin * x }));
  const [flipX, flipY] = [level[0]!.x > 1e-9 ? -1 : 1, (level.find(({ y }) => Math.abs(y) > 1e-9)?.y ?? 0) > 0 ? -1 : 1];
  return level.map(({ x, y }) => ({ x: flipX * x, y: flipY * y }));
}

/** A point for each of `count` vertices. An edge is two vertices and a length. The result depends on nothing else. */
export function spread(count: number, edges: readonly (readonly [number, number, number])[]): Point[] {
  if (count === 0) return [];
  const d = distances(count, edges);
  const points = classicalScaling(d);
  // Each vertex moves to the weighted mean of the places at which its distances to the others would be right.
  const moved = (p: Point, i: number): Point => {
    let [x, y, total] = [0, 0, 0];
    points.forEach((q, j) => {
      if (i === j) return;
      const wanted = d[i]![j]!;
      const weight = 1 / wanted ** 2;
      const gap = Math.hypot(p.x - q.x, p.y - q.y) || 1e-9;
      x += weight * (q.x + (wanted * (p.x - q.x)) / gap);
      y += weight * (q.y + (wanted * (p.y - q.y)) / gap);
      total += weight;
    });
    return total === 0 ? p : { x: x / total, y: y / total };
  };
  for (let round = 0; round < rounds; round++) for (let i = 0; i < count; i++) points[i] = moved(points[i]!, i);
  return turned(points);
}
