/** Plots test error against cost: a mark for each configuration, a dot for each seed, and the Pareto front. */

import { kindIn } from "../structured/convolution-name.ts";
import { axes, formatMagnitude, formatShare, linear, logarithmic, logTicks, type Scale } from "./axes.ts";
import type { Configuration } from "./configurations.ts";
import { type Look, mark } from "./families.ts";
import { type Box, nearestPoint, placeLabels } from "./label-placement.ts";
import { type Names, namesAmong } from "./names.ts";
import { paretoFront } from "./pareto-front.ts";
import { frameOf, type PlotSize } from "./plot-size.ts";
import type { PublishedPoint } from "./published-points.ts";
import { formatEstimate, formatSeeds } from "./statistics.ts";
import { element, escaped, label, picture, textWidth, wrapped } from "./svg.ts";

/** The costs that a plot can have on its horizontal axis. */
export const costs = {
  parameters: "Parameters",
  paperMultAdds: "Multiply-adds of an image (the paper's convention)",
  multAdds: "Multiply-adds of an image (as executed)",
  milliseconds: "Milliseconds of a training step (measured)",
} as const;
export type Cost = keyof typeof costs;

export interface ScatterOptions {
  readonly cost: Cost;
  readonly looks: ReadonlyMap<string, Look>;
  readonly size: PlotSize;
  /** The paper's results. Default: none. */
  readonly published?: readonly PublishedPoint[] | undefined;
}

const fontSize = 11.5;
const radius = 5.5;

interface Point {
  readonly cost: number;
  readonly error: number;
  readonly configuration: Configuration;
}

/** A name and the point beside which it stands. A configuration with a teacher and the same one without share a name. */
interface Name {
  readonly text: string;
  /** Whether the point is one of the paper's results. */
  readonly published: boolean;
  readonly x: number;
  readonly y: number;
}

/** The costs that all configurations have. A time is there only if it was measured. */
export const costsOf = (configurations: readonly Configuration[]): Cost[] =>
  (Object.keys(costs) as Cost[]).filter((cost) => configurations.every((configuration) => configuration[cost] !== undefined));

/** The plot as an SVG document. @param configurations Configurations that have the cost. Names for which there is no space are listed below the plot. */
export function scatterPlot(configurations: readonly Configuration[], { cost, looks, size, published = [] }: ScatterOptions): string {
  const points = configurations.map(
    (configuration): Point => ({ cost: configuration[cost]!, error: configuration.error.mean, configuration }),
  );
  // The executed multiply-adds and the times are this library's. They are not known for the paper's networks.
  const others = cost === "parameters" || cost === "paperMultAdds" ? published.map((point) => ({ ...point, cost: point[cost] })) : [];
  const names = namesAmong(configurations);
  const frame = frameOf(size);
  const x = logarithmic(
    [...points, ...others].map((point) => point.cost),
    frame.x,
    frame.x + frame.width,
  );
  const errors = [...configurations.flatMap(errorsShown), ...others.map(({ error }) => error)];
  const y = linear(errors, frame.y + frame.height, frame.y);
  const front = paretoFront(points);
  const ordered = [...front, ...points.filter((point) => !front.includes(point))];
  const named = labelsOf(ordered, others, names, x, y);
  const marks = [...points, ...others].map((point) => markBox(x(point.cost), y(point.error)));
  const frontLine = frontSegments(front, x, y, frame.x + frame.width);
  const lines = [...frontLine, ...pairs(points, x, y), ...points.map((point) => spreadSegment(point, x, y))].map(lineBox);
  const labels = named.map(({ text, x: at, y: up }) => ({ x: at, y: up, width: textWidth(text, fontSize) + 4, height: fontSize + 3 }));
  const boxes = placeLabels(labels, frame, [...marks, ...lines]);
  const unplaced = named.filter((_, i) => boxes[i] === undefined).map(({ text }) => text);
  const onFront = front.map(
    ({ configuration }) =>
      `${names.configuration(configuration)} with ${formatMagnitude(configuration[cost]!)} and ${formatEstimate(configuration.error)}`,
  );
  const note = unplaced.length === 0 ? [] : wrapped(`Without space in the plot: ${unplaced.join(", ")}`, size.width - 16, 10);
  const height = size.height + Math.max(0, note.length - 1) * 13;
  return picture(
    {
      width: size.width,
      height,
      title: `Test error against ${costs[cost].toLowerCase()}`,
      description: `${points.length} configurations. On the Pareto front: ${onFront.join("; ")}`,
    },
    axes({
      frame,
      x: { scale: x, ticks: logTicks(x).filter(sparse(x, size)), format: formatMagnitude, name: costs[cost] },
      y: { scale: y, format: (share) => formatShare(share, share < 0.1 ? 1 : 0), name: "Test error" },
    }),
    ...frontLine.map((segment) => line(segment, "front")),
    ...others.map((point) => publishedMark(point, x(point.cost), y(point.error))),
    ...pairs(points, x, y).map((segment) => line(segment, "leader")),
    ...points.map((point) => drawn(point, names.configuration(point.configuration), x, y, looks)),
    ...named.flatMap((name, i) => (boxes[i] === undefined ? [] : [placed(name, boxes[i])])),
    ...note.map((text, i) => label(text, 8, size.height - 4 + 13 * i, { size: 10, className: "soft" })),
  );
}

/** Every error that the mark of a configuration shows: the seeds' errors, and the ends of the spread. */
const errorsShown = ({ error: { mean, std = 0 }, runs }: Configuration): number[] => [
  mean - std,
  mean + std,
  ...runs.map(({ error }) => error!),
];

/** Keeps only so many ticks that their numbers do not touch on a narrow plot. */
function sparse(x: Scale, { width }: PlotSize): (tick: number) => boolean {
  let last = Number.NEGATIVE_INFINITY;
  return (tick) => {
    const free = x(tick) - last >= (width < 600 ? 34 : 24);
    if (free) last = x(tick);
    return free;
  };
}

const markBox = (x: number, y: number): Box => ({ x: x - radius - 2, y: y - radius - 2, width: 2 * radius + 4, height: 2 * radius + 4 });

/** One name for each network, however it was taught. The name stands beside the point with the smallest error. */
function labelsOf(
  ordered: readonly Point[],
  others: readonly (PublishedPoint & { cost: number })[],
  names: Names,
  x: Scale,
  y: Scale,
): Name[] {
  const found = new Map<string, Name>();
  for (const { configuration, cost, error } of ordered) {
    const text = names.network(configuration);
    const name = found.get(text);
    if (name === undefined || name.y < y(error)) found.set(text, { text, published: false, x: x(cost), y: y(error) });
  }
  return [
    ...found.values(),
    ...others.map(({ convolution, cost, error }) => ({ text: convolution, published: true, x: x(cost), y: y(error) })),
  ];
}

type Segment = readonly [fromX: number, fromY: number, toX: number, toY: number];

/** The smallest error for each cost: a level line from each point of the front to the next cost, and from the last point to the frame. */
function frontSegments(front: readonly Point[], x: Scale, y: Scale, right: number): Segment[] {
  return front.flatMap(({ cost, error }, i): Segment[] => {
    const next = front[i + 1];
    const end = next === undefined ? right : x(next.cost);
    const level: Segment = [x(cost), y(error), end, y(error)];
    return next === undefined ? [level] : [level, [end, y(error), end, y(next.error)]];
  });
}

/** Lines that join a configuration without a teacher to the same one with a teacher. */
function pairs(points: readonly Point[], x: Scale, y: Scale): Segment[] {
  return points.flatMap(({ configuration: { data, convolution, network, teacher }, cost, error }) => {
    if (teacher !== undefined) return [];
    const taught = points.filter(
      ({ configuration: other }) =>
        other.teacher !== undefined && other.convolution === convolution && other.network === network && other.data === data,
    );
    return taught.map((other): Segment => [x(cost), y(error), x(cost), y(other.error)]);
  });
}

/** The vertical bar from mean − std to mean + std. */
function spreadSegment({ cost, configuration: { error } }: Point, x: Scale, y: Scale): Segment {
  const { mean, std = 0 } = error;
  return [x(cost), y(mean + std), x(cost), y(mean - std)];
}

/** The box of a horizontal or vertical line. */
const lineBox = ([fromX, fromY, toX, toY]: Segment): Box => ({
  x: Math.min(fromX, toX) - 1.5,
  y: Math.min(fromY, toY) - 1.5,
  width: Math.abs(toX - fromX) + 3,
  height: Math.abs(toY - fromY) + 3,
});

const line = ([fromX, fromY, toX, toY]: Segment, className: string): string =>
  element("path", { d: `M${fromX} ${fromY}L${toX} ${toY}`, class: className });

/** A configuration: its mark at the mean, a bar of one standard deviation to either side, and a dot for each of several seeds. */
function drawn(point: Point, name: string, x: Scale, y: Scale, looks: ReadonlyMap<string, Look>): string {
  const { configuration, cost, error } = point;
  const { convolution, teacher, runs, parameters, network, multAdds } = configuration;
  const look = looks.get(kindIn(convolution))!;
  const [fromX, fromY, , toY] = spreadSegment(point, x, y);
  const bar = runs.length > 1 ? element("path", { d: `M${fromX} ${fromY}V${toY}`, stroke: look.colour, "stroke-width": 1.2 }) : "";
  const dots = runs.length > 1 ? runs.map((run) => seedDot(run.seed, run.error!, x(cost), y, look)) : [];
  const tip =
    `${name} (${network}): error ${formatEstimate(configuration.error)}, ${formatSeeds(runs.length)}; ` +
    `${parameters.toLocaleString("en-US")} parameters, ${formatMagnitude(multAdds)} multiply-adds`;
  const mean = mark(look, x(cost), y(error), teacher !== undefined, radius);
  return element("g", { class: "point" }, element("title", {}, escaped(tip)), bar, mean, ...dots);
}

const seedDot = (seed: number, error: number, x: number, y: Scale, { colour }: Look): string =>
  element(
    "circle",
    { cx: x + radius + 4, cy: y(error), r: 1.8, fill: colour },
    element("title", {}, escaped(`seed ${seed}: ${formatShare(error, 2)}`)),
  );

const publishedMark = ({ convolution, error, parameters }: PublishedPoint, x: number, y: number): string =>
  element(
    "path",
    {
      d: `M${x - 3.5} ${y - 3.5}L${x + 3.5} ${y + 3.5}M${x - 3.5} ${y + 3.5}L${x + 3.5} ${y - 3.5}`,
      class: "published",
      "stroke-width": 1.6,
    },
    element("title", {}, escaped(`${convolution}, published: ${formatShare(error, 2)}, ${parameters.toLocaleString("en-US")} parameters`)),
  );

/** The name in its box. A leader line joins the name to its point where the distance is larger than 14 pixels. */
function placed({ text, published, x, y }: Name, box: Box): string {
  const nearest = nearestPoint(box, { x, y });
  const far = Math.hypot(nearest.x - x, nearest.y - y) > 14;
  const leader = far ? element("path", { d: `M${x} ${y}L${nearest.x} ${nearest.y}`, class: "leader" }) : "";
  return (
    leader +
    element(
      "g",
      { "data-label": text },
      label(text, box.x + 2, box.y + box.height - 4, { size: fontSize, className: published ? "soft" : "ink" }),
    )
  );
}
