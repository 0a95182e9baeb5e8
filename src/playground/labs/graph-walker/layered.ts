/**
 * Draws a graph in layers, after Sugiyama, Tagawa & Toda (1981): a node lies below all its inputs, an edge that skips layers gets a
 * waypoint in each, the order within a layer follows the mean of the neighbours, and then columns move towards their neighbours.
 */

import { largest, smallest } from "../../../core/extent.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The drawing. Neighbours in a layer have a distance of at least 1 in x, and layers have a distance of 1 in y. */
export interface Layered {
  readonly nodes: readonly Point[];
  /** For each node and each of its inputs, the way from the input to the node. */
  readonly edges: readonly (readonly (readonly Point[])[])[];
  readonly columns: number;
  readonly layers: number;
}

/** A node or a waypoint. */
interface Place {
  readonly layer: number;
  /** How strongly the place holds on to where its neighbours want it. */
  readonly weight: number;
  readonly above: Place[];
  readonly below: Place[];
  x: number;
}

const orderSweeps = 12;
const columnSweeps = 40;
/** Long edges should be straight first, then the ways through ops. Leaves make room, and pull at nothing. */
const weights = { waypoint: 4, inner: 1, leaf: 0.01 } as const;

/** The layer of each node: a node lies below its inputs, and a node without inputs lies right above its first user. */
function layersOf(graph: readonly (readonly number[])[]): number[] {
  const layers: number[] = [];
  graph.forEach((inputs, i) => {
    layers[i] = inputs.reduce((deepest, input) => Math.max(deepest, layers[input]! + 1), 0);
  });
  const users = graph.map((_, i) => graph.flatMap((inputs, user) => (inputs.includes(i) ? [layers[user]!] : [])));
  return layers.map((layer, i) => (graph[i]!.length === 0 && users[i]!.length > 0 ? smallest(users[i]!) - 1 : layer));
}

/** The mean of the places, by their weights. */
const meanX = (places: readonly Place[]): number =>
  places.reduce((sum, { x, weight }) => sum + weight * x, 0) / places.reduce((sum, { weight }) => sum + weight, 0);

/** Puts the places of a layer as near to `wanted` as their order and a distance of 1 allow. */
function settle(layer: readonly Place[], wanted: readonly number[]): void {
  // Subtracting the index turns the distance into an order, and pooling adjacent violators gives the nearest ordered sequence.
  const blocks: { sum: number; weight: number; count: number }[] = [];
  wanted.forEach((x, i) => {
    const { weight } = layer[i]!;
    let block = { sum: (x - i) * weight, weight, count: 1 };
    for (let last = blocks.at(-1); last !== undefined && last.sum / last.weight > block.sum / block.weight; last = blocks.at(-1)) {
      block = { sum: block.sum + last.sum, weight: block.weight + last.weight, count: block.count + last.count };
      blocks.pop();
    }
    blocks.push(block);
  });
  let i = 0;
  for (const { sum, weight, count } of blocks) for (let k = 0; k < count; k++, i++) layer[i]!.x = sum / weight + i;
}

/** Lays out a graph whose nodes come after their inputs. */
export function layered(graph: readonly (readonly number[])[]): Layered {
  const depth = layersOf(graph);
  const layers: Place[][] = Array.from({ length: largest(depth) + 1 }, () => []);
  const place = (layer: number, weight: number): Place => {
    const made: Place = { layer, weight, above: [], below: [], x: layers[layer]!.length };
    layers[layer]!.push(made);
    return made;
  };
  const places = depth.map((layer, i) => place(layer, graph[i]!.length === 0 ? weights.leaf : weights.inner));
  const connect = (above: Place, below: Place): void => {
    above.below.push(below);
    below.above.push(above);
  };
  const ways = graph.map((inputs, i) =>
    inputs.map((input) => {
      const way = [places[input]!];
      for (let layer = depth[input]! + 1; layer < depth[i]!; layer++) way.push(place(layer, weights.waypoint));
      way.push(places[i]!);
      for (let k = 1; k < way.length; k++) connect(way[k - 1]!, way[k]!);
      return way;
    }),
  );

  const arrange = (layer: Place[], neighbours: (each: Place) => readonly Place[]): void => {
    const key = new Map(layer.map((each) => [each, neighbours(each).length > 0 ? meanX(neighbours(each)) : each.x]));
    layer.sort((a, b) => key.get(a)! - key.get(b)!);
    layer.forEach((each, i) => {
      each.x = i - (layer.length - 1) / 2;
    });
  };
  for (let sweep = 0; sweep < orderSweeps; sweep++) {
    for (const layer of layers.slice(1)) arrange(layer, ({ above }) => above);
    for (const layer of layers.slice(0, -1).reverse()) arrange(layer, ({ below }) => below);
  }
  for (let sweep = 0; sweep < columnSweeps; sweep++)
    for (const layer of sweep % 2 === 0 ? layers : [...layers].reverse())
      settle(
        layer,
        layer.map((each) => {
          const neighbours = [...each.above, ...each.below];
          return neighbours.length > 0 ? meanX(neighbours) : each.x;
        }),
      );

  const all = layers.flat();
  const left = smallest(all.map(({ x }) => x));
  const at = ({ x, layer }: Place): Point => ({ x: x - left, y: layer });
  return {
    nodes: places.map(at),
    edges: ways.map((inputs) => inputs.map((way) => way.map(at))),
    columns: largest(all.map(({ x }) => x)) - left + 1,
    layers: layers.length,
  };
}
