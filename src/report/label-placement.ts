/** Names beside points, so that none covers another, a point, or the frame. */

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A name to be placed near a point. */
export interface Label {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

const within = (inner: Box, outer: Box): boolean =>
  inner.x >= outer.x &&
  inner.y >= outer.y &&
  inner.x + inner.width <= outer.x + outer.width &&
  inner.y + inner.height <= outer.y + outer.height;

/** Distances from the point that are tried, nearest first, each all around. */
const distances = [9, 16, 26, 38, 52, 68, 86, 106, 130];
const directions = 16;

/** Boxes around the point at one distance, the right one first, for that is where a name is looked for. */
function candidates({ x, y, width, height }: Label, distance: number): Box[] {
  return Array.from({ length: directions }, (_, i) => {
    // 0, 1, −1, 2, −2 … sixteenths of a turn.
    const turn = ((i % 2 === 1 ? 1 : -1) * Math.ceil(i / 2) * 2 * Math.PI) / directions;
    const [dx, dy] = [Math.cos(turn), Math.sin(turn)];
    // The point of the box nearest to the label's point lies at the distance.
    return { x: x + dx * distance + (dx - 1) * (width / 2), y: y + dy * distance + (dy - 1) * (height / 2), width, height };
  });
}

/** Where a thread from the label's point meets its box: the box's nearest point. */
export const nearestPoint = (box: Box, { x, y }: Pick<Label, "x" | "y">): { readonly x: number; readonly y: number } => ({
  x: Math.min(Math.max(x, box.x), box.x + box.width),
  y: Math.min(Math.max(y, box.y), box.y + box.height),
});

/** Small boxes along the thread of a label: threads cross neither names nor names threads. */
function threadOf(label: Label, box: Box): Box[] {
  const end = nearestPoint(box, label);
  const [dx, dy] = [end.x - label.x, end.y - label.y];
  const pieces = Math.floor(Math.hypot(dx, dy) / 3);
  // The first pieces are the point's own mark, the last the box's own border.
  return Array.from({ length: Math.max(0, pieces - 3) }, (_, i) => {
    const share = (i + 2) / pieces;
    return { x: label.x + dx * share - 0.5, y: label.y + dy * share - 0.5, width: 1, height: 1 };
  });
}

/**
 * A box for each label, in the order given, each at the first free place around its point, threads crossing no name if that can be had; undefined
 * for one that finds no place, to be named elsewhere. Greedy: what matters most comes first.
 */
export function placeLabels(labels: readonly Label[], frame: Box, obstacles: readonly Box[]): (Box | undefined)[] {
  const names: Box[] = [];
  const threads: Box[] = [];
  const hits = (box: Box, others: readonly Box[]): boolean => others.some((other) => overlap(box, other));
  return labels.map((label) => {
    const free = distances
      .flatMap((distance) => candidates(label, distance))
      .filter((box) => within(box, frame) && !hits(box, obstacles) && !hits(box, names));
    const clear = (box: Box): boolean => !hits(box, threads) && !threadOf(label, box).some((piece) => hits(piece, names));
    const box = free.find(clear) ?? free[0];
    if (box === undefined) return undefined;
    names.push(box);
    threads.push(...threadOf(label, box));
    return box;
  });
}

/** Heights moved apart to at least `gap`, in their order, as little as going down and back up can, within [top, bottom] where there is room. */
export function spread(heights: readonly number[], gap: number, top: number, bottom: number): number[] {
  const order = heights.map((_, i) => i).toSorted((a, b) => heights[a]! - heights[b]!);
  const moved = [...heights];
  let last = top - gap;
  for (const i of order) {
    last = Math.max(heights[i]!, last + gap);
    moved[i] = last;
  }
  let next = Math.max(bottom, top + gap * (heights.length - 1)) + gap;
  for (const i of order.toReversed()) {
    next = Math.min(moved[i]!, next - gap);
    moved[i] = next;
  }
  return moved;
}
