/**
 * Plots a quantity by epoch: a line for each configuration, and a thin line for each of its seeds. A name stands at the end of each line.
 */

import { scaleLinear } from "d3-scale";
import { largest } from "../core/extent.ts";
import { kindIn } from "../structured/convolution-name.ts";
import type { EpochMetrics } from "../train/progress.ts";
import { axes, formatShare, linear } from "./axes.ts";
import { groupBySeed } from "./configurations.ts";
import type { Look } from "./families.ts";
import { spread } from "./label-placement.ts";
import { namesAmong } from "./names.ts";
import { frameOf, type PlotSize } from "./plot-size.ts";
import type { ReportRun } from "./report-run.ts";
import { estimate, formatSeeds } from "./statistics.ts";
import { element, escaped, label, picture, textWidth } from "./svg.ts";
import { type CurvePoint, thinned } from "./thin-curve.ts";

export interface CurveOptions {
  readonly title: string;
  /** The quantity after an epoch; null where the epoch has none. */
  readonly value: (metrics: EpochMetrics) => number | null;
  readonly format: (value: number) => string;
  readonly looks: ReadonlyMap<string, Look>;
  readonly size: PlotSize;
}

export const testError = ({ testAccuracy }: EpochMetrics): number | null => (testAccuracy === null ? null : 1 - testAccuracy);
export const asShare = (share: number): string => formatShare(share, 0);

const fontSize = 11;
const gap = fontSize + 2;

/** The mean over the seeds of a configuration, and one line for each seed if there are several. */
interface Curve {
  readonly name: string;
  readonly members: readonly ReportRun[];
  readonly points: readonly CurvePoint[];
  readonly seeds: readonly { readonly seed: number; readonly points: readonly CurvePoint[] }[];
}

/**
 * The plot as an SVG document; undefined where no run has the quantity. Runs with a teacher have solid lines, and the others have dashed
 * ones.
 */
export function learningCurves(runs: readonly ReportRun[], options: CurveOptions): string | undefined {
  const { title, value, format, looks, size } = options;
  const curves = curvesOf(runs, value);
  if (curves.length === 0) return undefined;
  const names = largest(curves.map(({ name }) => textWidth(name, fontSize)));
  const height = Math.max(420, 76 + gap * curves.length);
  const frame = frameOf({ width: size.width, height }, names + 42);
  const all = curves.flatMap(({ points, seeds }) => [...points, ...seeds.flatMap((seed) => seed.points)]);
  const last = largest(all.map(({ epoch }) => epoch));
  const x = scaleLinear()
    .domain([Math.min(1, last - 1), last])
    .range([frame.x, frame.x + frame.width]);
  const y = linear(
    all.map(({ at }) => at),
    frame.y + frame.height,
    frame.y,
  );
  const ends = spread(
    curves.map(({ points }) => y(points.at(-1)!.at)),
    gap,
    frame.y + 4,
    frame.y + frame.height,
  );
  const pathOf = (points: readonly CurvePoint[]): string =>
    thinned(points, x)
      .map(({ epoch, at }, k) => `${k === 0 ? "M" : "L"}${tenths(x(epoch))} ${tenths(y(at))}`)
      .join("");
  const lines = curves.map(({ name, members, points, seeds }, i) => {
    const stroke = looks.get(kindIn(members[0]!.convolution))!.colour;
    const dashes = members[0]!.teacher === undefined ? "5 3" : undefined;
    const [end, at, right] = [points.at(-1)!, ends[i]!, frame.x + frame.width];
    const tip = `${name}: ${format(end.at)} after epoch ${end.epoch}, ${formatSeeds(members.length)}`;
    return element(
      "g",
      { class: "run" },
      element("title", {}, escaped(tip)),
      ...seeds.map((seed) => element("path", { d: pathOf(seed.points), class: "seed", stroke }, seedTip(seed, format))),
      element("path", { d: pathOf(points), class: "curve", stroke, "stroke-dasharray": dashes }),
      element("circle", { cx: x(end.epoch), cy: y(end.at), r: 2.4, fill: stroke }),
      element("path", { d: `M${x(end.epoch)} ${y(end.at)}L${right + 16} ${at}`, class: "leader" }),
      element("g", { "data-label": name }, label(name, right + 20, at + 4, { size: fontSize })),
    );
  });
  const ticks = x.ticks(Math.min(last, Math.max(2, Math.floor(frame.width / 40)))).filter(Number.isInteger);
  const lastValues = curves.map(({ name, points }) => `${name} ${format(points.at(-1)!.at)}`);
  return picture(
    {
      width: size.width,
      height,
      title: `${title} by epoch`,
      description: `${curves.length} configurations. Last values: ${lastValues.join("; ")}`,
    },
    axes({ frame, x: { scale: x, ticks, format: String, name: "Epoch" }, y: { scale: y, format, name: title } }),
    ...lines,
  );
}

/** Tenths of a pixel keep the paths of many epochs short. */
const tenths = (pixels: number): number => Math.round(10 * pixels) / 10;

const seedTip = ({ seed, points }: Curve["seeds"][number], format: CurveOptions["format"]): string =>
  element("title", {}, escaped(`seed ${seed}: ${format(points.at(-1)!.at)} after epoch ${points.at(-1)!.epoch}`));

function curvesOf(runs: readonly ReportRun[], value: CurveOptions["value"]): Curve[] {
  const { configuration } = namesAmong(runs);
  return groupBySeed(runs).flatMap((members): Curve[] => {
    const seeds = members.flatMap(({ seed, epochs }) => {
      const points = epochs.flatMap((metrics): CurvePoint[] => {
        const at = value(metrics);
        return at === null ? [] : [{ epoch: metrics.epoch, at }];
      });
      return points.length === 0 ? [] : [{ seed, points }];
    });
    if (seeds.length === 0) return [];
    const name = members.length === 1 ? configuration(members[0]!) : `${configuration(members[0]!)} (${members.length})`;
    return [{ name, members, points: meanOf(seeds.map(({ points }) => points)), seeds: seeds.length === 1 ? [] : seeds }];
  });
}

/** The mean at each epoch that every line has. Lines without a common epoch have the mean of their last values, at the latest epoch. */
function meanOf(lines: readonly (readonly CurvePoint[])[]): CurvePoint[] {
  const values = new Map<number, number[]>();
  for (const { epoch, at } of lines.flat()) values.set(epoch, [...(values.get(epoch) ?? []), at]);
  const common = [...values].filter(([, found]) => found.length === lines.length).sort(([a], [b]) => a - b);
  if (common.length > 0) return common.map(([epoch, found]) => ({ epoch, at: estimate(found).mean }));
  const last = largest(values.keys());
  return [{ epoch: last, at: estimate(lines.map((points) => points.at(-1)!.at)).mean }];
}
