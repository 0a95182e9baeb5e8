/** The plot of the presets: the accuracy with test-time augmentation against the minutes of training. */

import { largest, smallest } from "../../src/core/extent.ts";
import { axes, formatShare, linear, logarithmic, logTicks } from "../../src/report/axes.ts";
import { frameOf, wide } from "../../src/report/plot-size.ts";
import { element, escaped, label, picture, textWidth } from "../../src/report/svg.ts";
import { measuredPresets, type PresetResult } from "./results.ts";

const colours = ["#3b6fb6", "#2f8f5b", "#b5651d", "#a3356b"];
const nameSize = 12;

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * The plot as an SVG document: a dot for each run, and a bar from the least to the largest accuracy of a preset.
 * @param results At least one.
 */
export function presetPlot(results: readonly PresetResult[]): string {
  const frame = frameOf(wide);
  const right = frame.x + frame.width;
  const x = logarithmic(
    results.map((run) => run.minutes),
    frame.x,
    right,
  );
  const y = linear(
    results.map((run) => run.accuracyTta),
    frame.y + frame.height,
    frame.y,
  );
  const presets = measuredPresets.flatMap((preset, i) => {
    const runs = results.filter((run) => run.preset === preset);
    return runs.length === 0 ? [] : [{ preset, runs, colour: colours[i]! }];
  });
  const marks = presets.map(({ preset, runs, colour }) => {
    const accuracies = runs.map((run) => run.accuracyTta);
    const middle = x(mean(runs.map((run) => run.minutes)));
    const bar = element("path", {
      d: `M${middle} ${y(smallest(accuracies))}V${y(largest(accuracies))}`,
      stroke: colour,
      "stroke-width": 1.2,
    });
    const dots = runs.map((run) => {
      const tip = `${preset}, seed ${run.seed}: ${formatShare(run.accuracyTta, 2)} in ${run.minutes.toFixed(1)} minutes`;
      return element("circle", { cx: x(run.minutes), cy: y(run.accuracyTta), r: 4, fill: colour }, element("title", {}, escaped(tip)));
    });
    // The name stands at the right of the dots, or at their left where the frame ends.
    const after = largest(runs.map((run) => x(run.minutes))) + 10;
    const fits = after + textWidth(preset, nameSize) <= right;
    const before = smallest(runs.map((run) => x(run.minutes))) - 10;
    const name = label(preset, fits ? after : before, y(mean(accuracies)) + 4, { size: nameSize, anchor: fits ? "start" : "end" });
    return bar + dots.join("") + name;
  });
  return picture(
    {
      ...wide,
      title: "Test accuracy of the presets against minutes",
      description: presets
        .map(({ preset, runs }) => {
          const [accuracy, minutes] = [mean(runs.map((run) => run.accuracyTta)), mean(runs.map((run) => run.minutes))];
          return `${preset}: ${formatShare(accuracy)} in ${minutes.toFixed(1)} minutes`;
        })
        .join("; "),
    },
    axes({
      frame,
      x: { scale: x, ticks: logTicks(x), format: (tick) => String(Number(tick.toPrecision(3))), name: "Minutes of training and testing" },
      y: { scale: y, format: (share) => formatShare(share), name: "Test accuracy with --tta" },
    }),
    ...marks,
  );
}
