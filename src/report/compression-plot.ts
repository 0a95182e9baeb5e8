/** Plots the error of each layer against its parameters, as a plan of compression has found them. */

import type { PlannedLayer } from "../compress/plan.ts";
import { largest } from "../core/extent.ts";
import { axes, formatMagnitude, formatShare, linear, logarithmic, logTicks } from "./axes.ts";
import { frameOf, type PlotSize, wide } from "./plot-size.ts";
import { element, escaped, label, picture } from "./svg.ts";

/** One hue for each layer, from the first to the last. */
const colourOf = (i: number, count: number): string => `hsl(${Math.round((300 * i) / Math.max(1, count))} 65% 42%)`;

/** The candidates that are nearer than every one with fewer parameters. */
function front({ candidates }: PlannedLayer): PlannedLayer["candidates"] {
  let least = Number.POSITIVE_INFINITY;
  return candidates.filter(({ error }) => {
    if (error >= least) return false;
    least = error;
    return true;
  });
}

const radius = 4.5;

/**
 * The plot as an SVG document: a line for each layer through the smallest error at each number of parameters, down to 0 for the dense
 * convolution, and a dot at the chosen point. The name, the spec and the figures of a dot are in its title.
 * @param layers At least one.
 */
export function compressionPlot(layers: readonly PlannedLayer[], size: PlotSize = wide): string {
  const frame = frameOf(size);
  const curves = layers.map(front);
  const points = [...curves.flat(), ...layers.map(({ chosen }) => chosen)];
  const x = logarithmic(
    points.map(({ parameters }) => parameters),
    frame.x,
    frame.x + frame.width,
  );
  const y = linear([0, ...points.map(({ error }) => error)], frame.y + frame.height, frame.y);
  const lines = curves.map((curve, i) => {
    const path = curve.map(({ parameters, error }, k) => `${k === 0 ? "M" : "L"}${x(parameters).toFixed(1)} ${y(error).toFixed(1)}`);
    return element("path", { d: path.join(""), class: "curve", stroke: colourOf(i, layers.length) });
  });
  const dots = layers.map(({ name, chosen: { spec, parameters, error, windows } }, i) => {
    const kind = spec.kind === "Conv" ? "dense" : windows === 1 ? "one window" : `${windows} windows`;
    const tip = `${name}: ${parameters.toLocaleString("en-US")} parameters, error ${formatShare(error, 1)}, ${kind}`;
    return element(
      "circle",
      { cx: x(parameters), cy: y(error), r: radius, fill: colourOf(i, layers.length) },
      element("title", {}, escaped(tip)),
    );
  });
  const worst = largest(layers.map(({ chosen }) => chosen.error));
  const ends = [layers[0]!.name, layers.at(-1)!.name].map((name, k) =>
    label(k === 0 ? `first: ${name}` : `last: ${name}`, frame.x + frame.width - 6, frame.y + 14 * (k + 1), { size: 11, anchor: "end" }),
  );
  return picture(
    {
      ...size,
      title: "Error of each layer against its parameters",
      description: `${layers.length} layers; the largest error that was chosen is ${formatShare(worst, 1)}`,
    },
    axes({
      frame,
      x: { scale: x, ticks: logTicks(x), format: formatMagnitude, name: "Parameters of the layer" },
      y: { scale: y, format: (share) => formatShare(share, 0), name: "Relative error of the layer" },
    }),
    ...lines,
    ...dots,
    ...ends,
  );
}
