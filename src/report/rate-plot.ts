/** Plots the search for a learning rate: the loss over the rate, and the suggestion. */

import { largest, smallest } from "../core/extent.ts";
import type { FoundRate } from "../train/find-rate.ts";
import { axes, linear, logarithmic, logTicks, type Scale } from "./axes.ts";
import { frameOf, type PlotSize, wide } from "./plot-size.ts";
import { element, label, picture } from "./svg.ts";

const colour = "#0969da";

/** The powers of ten where they are enough, so that labels do not overlap. */
function ticksOf(scale: Scale): number[] {
  const powers = logTicks(scale).filter((tick) => Number.isInteger(Number(Math.log10(tick).toFixed(9))));
  return powers.length >= 3 ? powers : logTicks(scale);
}

/** A rate or a loss with three digits. */
const formatted = (value: number): string => String(Number(value.toPrecision(3)));

/**
 * The plot as an SVG document: a thin line for the loss of each batch, a thick one for the smoothed loss, and a vertical line at the
 * suggestion. Losses above the first one by more than half are cut off, so that the explosion does not flatten the rest.
 * @param found At least one point.
 */
export function ratePlot({ points, suggestion }: FoundRate, size: PlotSize = wide): string {
  const frame = frameOf(size);
  const ceiling = 1.5 * points[0]!.smoothed;
  const x = logarithmic(
    points.map(({ rate }) => rate),
    frame.x,
    frame.x + frame.width,
  );
  const y = linear(
    points.flatMap(({ loss, smoothed }) => [Math.min(loss, ceiling), Math.min(smoothed, ceiling)]),
    frame.y + frame.height,
    frame.y,
  );
  const pathOf = (value: (point: FoundRate["points"][number]) => number): string =>
    points.map((point, i) => `${i === 0 ? "M" : "L"}${x(point.rate).toFixed(1)} ${y(Math.min(value(point), ceiling)).toFixed(1)}`).join("");
  const [low, high] = [smallest(points.map(({ rate }) => rate)), largest(points.map(({ rate }) => rate))];
  const mark =
    suggestion === undefined
      ? []
      : [
          element("path", { d: `M${x(suggestion)} ${frame.y}V${frame.y + frame.height}`, class: "front" }),
          label(`steepest at ${formatted(suggestion)}`, x(suggestion) - 6, frame.y + 14, { size: 12, anchor: "end" }),
        ];
  const advice = suggestion === undefined ? "the loss never falls" : `the smoothed loss falls fastest at ${formatted(suggestion)}`;
  return picture(
    {
      ...size,
      title: "Loss by learning rate",
      description: `${points.length} steps at rates from ${formatted(low)} to ${formatted(high)}; ${advice}`,
    },
    axes({
      frame,
      x: { scale: x, ticks: ticksOf(x), format: formatted, name: "Learning rate" },
      y: { scale: y, format: formatted, name: "Loss of a batch" },
    }),
    element("path", { d: pathOf(({ loss }) => loss), class: "seed", stroke: colour }),
    element("path", { d: pathOf(({ smoothed }) => smoothed), class: "curve", stroke: colour }),
    ...mark,
  );
}
