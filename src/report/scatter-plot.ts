/** Plots test error against cost: a mark for each configuration, and the Pareto front. */

import { axes, formatMagnitude, formatShare, linear, logarithmic, logTicks, type Scale } from "./axes.ts";
import type { Configuration } from "./configurations.ts";
import { familyOf, type Look, mark } from "./families.ts";
import { type Box, nearestPoint, placeLabels } from "./label-placement.ts";
import { paretoFront } from "./pareto-front.ts";
import type { PublishedPoint } from "./published-points.ts";
import { element, label, picture, textWidth } from "./svg.ts";

export interface ScatterOptions {
  readonly cost: "parameters" | "paperMultAdds" | "multAdds";
  readonly looks: ReadonlyMap<string, Look>;
  readonly published?: readonly PublishedPoint[] | undefined;
}

const names = {
  parameters: "Parameters",
  paperMultAdds: "Multiply-adds for one image (the paper's convention)",
  multAdds: "Multiply-adds for one image (as executed)",
} as const;

const [width, height] = [820, 520];
const frame: Box = { x: 68, y: 20, width: width - 88, height: height - 76 };
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

/** The plot as an SVG document. Names for which there is no space are listed below the plot. */
export function scatterPlot(configurations: readonly Configuration[], { cost, looks, published = [] }: ScatterOptions): string {
  const points = configurations.map((configuration): Point => ({ cost: configuration[cost], error: configuration.error, configuration }));
  // The executed multiply-adds are this library's. They are not known for the paper's networks.
  const others = cost === "multAdds" ? [] : published.map((point) => ({ ...point, cost: point[cost] }));
  const x = logarithmic(
    [...points, ...others].map((point) => point.cost),
    frame.x,
    frame.x + frame.width,
  );
  const bars = configurations.flatMap(({ least, largest }) => [least, largest]);
  const y = linear([...bars, ...others.map(({ error }) => error)], frame.y + frame.height, frame.y);
  const front = paretoFront(points);
  const ordered = [...front, ...points.filter((point) => !front.includes(point))];
  const named = namesOf(ordered, others, x, y);
  const marks = [...points, ...others].map((point) => markBox(x(point.cost), y(point.error)));
  const lines = [...frontSegments(front, x, y), ...pairs(points, x, y)].map(lineBox);
  const labels = named.map(({ text, x: at, y: up }) => ({ x: at, y: up, width: textWidth(text, fontSize) + 4, height: fontSize + 3 }));
  const boxes = placeLabels(labels, frame, [...marks, ...lines]);
  const unplaced = named.filter((_, i) => boxes[i] === undefined).map(({ text }) => text);
  const description =
    `${points.length} configurations. On the Pareto front: ` +
    front
      .map(
        ({ configuration }) =>
          `${nameOf(configuration)} with ${formatMagnitude(configuration[cost])} and ${formatShare(configuration.error)}`,
      )
      .join("; ");
  return picture(
    { width, height, title: `Test error against ${names[cost].toLowerCase()}`, description },
    axes({
      frame,
      x: { scale: x, ticks: logTicks(x), format: formatMagnitude, name: names[cost] },
      y: { scale: y, format: (share) => formatShare(share, share < 0.1 ? 1 : 0), name: "Test error" },
    }),
    ...frontSegments(front, x, y).map((segment) => line(segment, "front")),
    ...others.map((point) => element("path", { d: cross(x(point.cost), y(point.error)), class: "published", "stroke-width": 1.6 })),
    ...pairs(points, x, y).map((segment) => line(segment, "leader")),
    ...points.map(({ configuration, cost: at, error }) => drawn(configuration, x(at), y(error), y, looks)),
    ...named.flatMap((name, i) => (boxes[i] === undefined ? [] : [placed(name, boxes[i])])),
    unplaced.length === 0
      ? ""
      : label(`Without space in the plot: ${unplaced.join(", ")}`, frame.x, height - 4, { size: 10, className: "soft" }),
  );
}

/** The name of a configuration or a run. AT stands for attention transfer from a teacher. */
export const nameOf = ({ convolution, teacher }: Pick<Configuration, "convolution" | "teacher">): string =>
  teacher === undefined ? convolution : `${convolution} + AT`;

const markBox = (x: number, y: number): Box => ({ x: x - radius - 2, y: y - radius - 2, width: 2 * radius + 4, height: 2 * radius + 4 });

/** One name for all configurations of one convolution, and of one network. The name stands beside the point with the smallest error. */
function namesOf(ordered: readonly Point[], others: readonly (PublishedPoint & { cost: number })[], x: Scale, y: Scale): Name[] {
  const found = new Map<string, Name>();
  const several = new Set(ordered.map(({ configuration }) => configuration.network)).size > 1;
  for (const { configuration, cost, error } of ordered) {
    const text = several ? `${configuration.convolution} (${configuration.network})` : configuration.convolution;
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
function frontSegments(front: readonly Point[], x: Scale, y: Scale): Segment[] {
  return front.flatMap(({ cost, error }, i): Segment[] => {
    const next = front[i + 1];
    const end = next === undefined ? frame.x + frame.width : x(next.cost);
    const level: Segment = [x(cost), y(error), end, y(error)];
    return next === undefined ? [level] : [level, [end, y(error), end, y(next.error)]];
  });
}

/** Lines that join a configuration without a teacher to the same one with a teacher. */
function pairs(points: readonly Point[], x: Scale, y: Scale): Segment[] {
  return points.flatMap(({ configuration: { convolution, network, teacher }, cost, error }) => {
    if (teacher !== undefined) return [];
    const taught = points.filter(
      ({ configuration: other }) => other.teacher !== undefined && other.convolution === convolution && other.network === network,
    );
    return taught.map((other): Segment => [x(cost), y(error), x(cost), y(other.error)]);
  });
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

function drawn(configuration: Configuration, x: number, up: number, y: Scale, looks: ReadonlyMap<string, Look>): string {
  const { convolution, teacher, least, largest, error, runs, parameters } = configuration;
  const look = looks.get(familyOf(convolution))!;
  const seeds = runs.length > 1 ? element("path", { d: `M${x} ${y(least)}V${y(largest)}`, stroke: look.colour, "stroke-width": 1.2 }) : "";
  const tip = `${nameOf(configuration)}: ${formatShare(error)} error, ${parameters.toLocaleString("en-US")} parameters`;
  return element("g", {}, element("title", {}, tip), seeds, mark(look, x, up, teacher !== undefined, radius));
}

const cross = (x: number, y: number): string => `M${x - 3.5} ${y - 3.5}L${x + 3.5} ${y + 3.5}M${x - 3.5} ${y + 3.5}L${x + 3.5} ${y - 3.5}`;

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
