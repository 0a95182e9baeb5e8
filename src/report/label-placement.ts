/** Places names beside points, so that no name covers another name, a point, or the frame. */

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A name that is to be placed near a point, and its size. */
export interface Label {
  /** The point's position. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Whether two boxes have a common area. */
export const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

const within = (inner: Box, outer: Box): boolean =>
  inner.x >= outer.x &&
  inner.y >= outer.y &&
  inner.x + inner.width <= outer.x + outer.width &&
  inner.y + inner.height <= outer.y + outer.height;

/** Distances from the point that are tried, in pixels and in this order. */
const distances = [9, 16, 26, 38, 52, 68, 86, 106, 130];
/** Directions that are tried at each distance. */
const directions = 16;

/** Boxes around the point at one distance. The first is to the right of the point, where readers expect a name. */
function candidates({ x, y, width, height }: Label, distance: number): Box[] {
  return Array.from({ length: directions }, (_, i) => {
    // The angles are 0, 1, −1, 2, −2 … sixteenths of a turn.
    const turn = ((i % 2 === 1 ? 1 : -1) * Math.ceil(i / 2) * 2 * Math.PI) / directions;
    const [dx, dy] = [Math.cos(turn), Math.sin(turn)];
    // The box's nearest point lies at this distance from the label's point.
    return { x: x + dx * distance + (dx - 1) * (width / 2), y: y + dy * distance + (dy - 1) * (height / 2), width, height };
  });
}

/** The point of a box that is nearest to a label's point. The leader line of the label ends there. */
export const nearestPoint = (box: Box, { x, y }: Pick<Label, "x" | "y">): { readonly x: number; readonly y: number } => ({
  x: Math.min(Math.max(x, box.x), box.x + box.width),
  y: Math.min(Math.max(y, box.y), box.y + box.height),
});

/** Small boxes along the leader line of a label, by which leader lines and names are kept apart. */
function leaderBoxes(label: Label, box: Box): Box[] {
  const end = nearestPoint(box, label);
  const [dx, dy] = [end.x - label.x, end.y - label.y];
  const pieces = Math.floor(Math.hypot(dx, dy) / 3);
  // The first pieces lie on the point's own mark, and the last ones at the border of the box.
  return Array.from({ length: Math.max(0, pieces - 3) }, (_, i) => {
    const share = (i + 2) / pieces;
    return { x: label.x + dx * share - 0.5, y: label.y + dy * share - 0.5, width: 1, height: 1 };
  });
}

/**
 * A box for each label. The labels are placed one after another in the given order, so the most important label must come first. A label
 * takes the first free place around its point where no leader line crosses a name, or else the first free place.
 * @returns undefined for a label without a free place.
 */
export function placeLabels(labels: readonly Label[], frame: Box, obstacles: readonly Box[]): (Box | undefined)[] {
  const names: Box[] = [];
  const leaders: Box[] = [];
  const hits = (box: Box, others: readonly Box[]): boolean => others.some((other) => overlap(box, other));
  return labels.map((label) => {
    const free = distances
      .flatMap((distance) => candidates(label, distance))
      .filter((box) => within(box, frame) && !hits(box, obstacles) && !hits(box, names));
    const clear = (box: Box): boolean => !hits(box, leaders) && !leaderBoxes(label, box).some((piece) => hits(piece, names));
    const box = free.find(clear) ?? free[0];
    if (box === undefined) return undefined;
    names.push(box);
    leaders.push(...leaderBoxes(label, box));
    return box;
  });
}

/**
 * Moves heights apart to distances of at least `gap`, without changing their order. One pass downwards moves each height only as far as
 * needed. A second pass upwards returns them into [top, bottom], where there is enough space.
 */
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
