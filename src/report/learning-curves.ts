/** Plots a quantity of every run by epoch. The name of each line stands at its end. */

import { scaleLinear } from "d3-scale";
import { maximumOf } from "../core/extremes.ts";
import type { EpochMetrics } from "../train/trainer.ts";
import { axes, formatShare, linear } from "./axes.ts";
import { familyOf, type Look } from "./families.ts";
import { type Box, spread } from "./label-placement.ts";
import type { ReportRun } from "./report-run.ts";
import { nameOf } from "./scatter-plot.ts";
import { element, label, picture, textWidth } from "./svg.ts";

export interface CurveOptions {
  readonly title: string;
  /** The quantity after an epoch; null where the epoch has none. */
  readonly value: (metrics: EpochMetrics) => number | null;
  readonly format: (value: number) => string;
  readonly looks: ReadonlyMap<string, Look>;
}

export const testError = ({ testAccuracy }: EpochMetrics): number | null => (testAccuracy === null ? null : 1 - testAccuracy);
export const asShare = (share: number): string => formatShare(share, 0);

const fontSize = 11;
const gap = fontSize + 2;
const width = 820;

/**
 * The plot as an SVG document; undefined where no run has the quantity. Runs with a teacher have solid lines, and the others have dashed
 * ones.
 */
export function learningCurves(runs: readonly ReportRun[], { title, value, format, looks }: CurveOptions): string | undefined {
  const curves = runs.flatMap((run) => {
    const points = run.epochs.flatMap((metrics) => {
      const at = value(metrics);
      return at === null ? [] : [{ epoch: metrics.epoch, at }];
    });
    return points.length === 0 ? [] : [{ run, points, name: nameFor(run, runs) }];
  });
  if (curves.length === 0) return undefined;
  const names = maximumOf(curves.map(({ name }) => textWidth(name, fontSize)));
  const height = Math.max(420, 76 + gap * curves.length);
  const frame: Box = { x: 68, y: 20, width: width - 88 - names - 22, height: height - 76 };
  const last = maximumOf(curves.flatMap(({ points }) => points.map(({ epoch }) => epoch)));
  const x = scaleLinear()
    .domain([Math.min(1, last - 1), last])
    .range([frame.x, frame.x + frame.width]);
  const y = linear(
    curves.flatMap(({ points }) => points.map(({ at }) => at)),
    frame.y + frame.height,
    frame.y,
  );
  const ends = spread(
    curves.map(({ points }) => y(points.at(-1)!.at)),
    gap,
    frame.y + 4,
    frame.y + frame.height,
  );
  const ticks = x.ticks(Math.min(last, 10)).filter(Number.isInteger);
  const lines = curves.map(({ run, points, name }, i) => {
    const { colour } = looks.get(familyOf(run.convolution))!;
    const [end, at] = [points.at(-1)!, ends[i]!];
    const path = points.map((point, k) => `${k === 0 ? "M" : "L"}${x(point.epoch)} ${y(point.at)}`).join("");
    const dashes = run.teacher === undefined ? "5 3" : undefined;
    const right = frame.x + frame.width;
    return [
      element("path", {
        d: path,
        fill: "none",
        stroke: colour,
        "stroke-width": 1.7,
        "stroke-dasharray": dashes,
        "stroke-linejoin": "round",
      }),
      element("circle", { cx: x(end.epoch), cy: y(end.at), r: 2.4, fill: colour }),
      element("path", { d: `M${x(end.epoch)} ${y(end.at)}L${right + 16} ${at}`, class: "leader" }),
      element("g", { "data-label": name }, label(name, right + 20, at + 4, { size: fontSize })),
    ].join("");
  });
  const lastValues = curves.map(({ name, points }) => `${name} ${format(points.at(-1)!.at)}`);
  const description = `${curves.length} runs. Last values: ${lastValues.join("; ")}`;
  return picture(
    { width, height, title: `${title} by epoch`, description },
    axes({ frame, x: { scale: x, ticks, format: String, name: "Epoch" }, y: { scale: y, format, name: title } }),
    ...lines,
  );
}

/** The name of a run: its convolution and teacher, with its network and its seed where these differ between runs. */
function nameFor(run: ReportRun, runs: readonly ReportRun[]): string {
  const differs = (of: (other: ReportRun) => unknown): boolean => new Set(runs.map(of)).size > 1;
  return [
    ...(differs(({ network }) => network) ? [run.network] : []),
    nameOf(run),
    ...(differs(({ seed }) => seed) ? [`seed ${run.seed}`] : []),
  ].join(" ");
}
