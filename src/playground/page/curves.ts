/** The charts of loss and accuracy by steps: one line a run, a mark where a run changed its family, and the newest number beside its end. */

import { largest } from "../../core/extent.ts";
import type { RunName } from "../settings.ts";
import { h, s, show } from "./dom.ts";
import { formatShare } from "./format.ts";
import { type PageState, type ShownRun, type Store, totalSteps } from "./state.ts";

interface Point {
  readonly step: number;
  readonly value: number;
}

interface Curve {
  readonly run: RunName;
  readonly points: readonly Point[];
  readonly changes: readonly number[];
}

interface ChartOptions {
  readonly title: string;
  readonly curves: readonly Curve[];
  readonly steps: number;
  /** The largest value of the axis. */
  readonly top: number;
  readonly ticks: readonly number[];
  readonly format: (value: number) => string;
  readonly width: number;
}

/** In pixels. */
const frame = { left: 44, right: 64, top: 10, bottom: 26, height: 200 } as const;
/** The points of a line. More would be closer than pixels. */
const mostPoints = 240;

/** Means over windows, so that noise does not hide the course. */
function smoothed(points: readonly Point[]): readonly Point[] {
  const size = Math.max(1, Math.ceil(points.length / mostPoints), Math.min(8, Math.floor(points.length / 12)));
  const means: Point[] = [];
  for (let end = points.length; end > 0; end -= size) {
    const window = points.slice(Math.max(0, end - size), end);
    means.unshift({ step: window.at(-1)!.step, value: window.reduce((sum, { value }) => sum + value, 0) / window.length });
  }
  return means;
}

function drawChart({ title, curves, steps, top, ticks, format, width }: ChartOptions): SVGSVGElement {
  const { left, right, height } = frame;
  const x = (step: number): number => left + ((width - left - right) * step) / Math.max(1, steps);
  const y = (value: number): number => height - frame.bottom - (height - frame.bottom - frame.top) * Math.min(1, value / top);
  const ends = curves.flatMap(({ run, points }) => (points.length === 0 ? [] : [{ run, ...points.at(-1)! }]));
  const spoken = ends.map(({ run, step, value }) => `run ${run.toUpperCase()} ${format(value)} after ${step} steps`).join(", ");
  const svg = s("svg", {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "img",
    "aria-label": `${title}: ${spoken || "no steps yet"}`,
  });
  for (const tick of ticks)
    svg.append(
      s("line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "grid" }),
      s("text", { x: left - 8, y: y(tick) + 4, class: "tick", "text-anchor": "end" }, format(tick)),
    );
  for (const step of [0, steps / 2, steps])
    svg.append(s("text", { x: x(step), y: height - 6, class: "tick", "text-anchor": "middle" }, String(Math.round(step))));
  for (const { run, points, changes } of curves) {
    for (const step of changes)
      svg.append(s("line", { x1: x(step), x2: x(step), y1: frame.top, y2: height - frame.bottom, class: `change ${run}` }));
    const d = points.map(({ step, value }, i) => `${i === 0 ? "M" : "L"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    if (points.length > 0) svg.append(s("path", { d, class: `curve ${run}` }));
  }
  // Two names at the same height would cover each other.
  const heights = ends.map(({ value }) => y(value));
  const tooClose = heights.length === 2 && Math.abs(heights[0]! - heights[1]!) < 16;
  for (const [i, { run, step, value }] of ends.entries()) {
    const middle = (heights[0]! + (heights[1] ?? 0)) / 2;
    const isUpper = heights[i]! < heights[1 - i]! || (heights[0] === heights[1] && i === 0);
    const at = tooClose ? middle + (isUpper ? -8 : 8) : heights[i]!;
    svg.append(
      s("circle", { cx: x(step), cy: heights[i]!, r: 3, class: `dot ${run}` }),
      s("text", { x: Math.min(x(step) + 8, width - right + 8), y: at + 4, class: `end ${run}` }, format(value)),
    );
  }
  return svg;
}

const accuracyTicks = [0, 0.25, 0.5, 0.75, 1];

const curvesOf = (state: PageState, points: (run: ShownRun) => readonly Point[]): Curve[] =>
  (["a", "b"] as const).flatMap((name) => {
    const run = state.runs[name];
    return run === undefined ? [] : [{ run: name, points: points(run), changes: run.changes.map(({ step }) => step) }];
  });

/** The panel with both charts. */
export function curvesPanel(store: Store): HTMLElement {
  const [loss, accuracy] = [h("div", { class: "chart" }), h("div", { class: "chart" })];
  const panel = h(
    "section",
    { class: "panel curves", "aria-labelledby": "curves-title" },
    h("h2", { id: "curves-title" }, "Learning"),
    h(
      "div",
      { class: "charts" },
      h("figure", {}, h("figcaption", {}, "Loss of the training batches"), loss),
      h("figure", {}, h("figcaption", {}, "Accuracy on the test images"), accuracy),
    ),
  );
  const draw = (state: PageState): void => {
    const width = Math.max(260, Math.floor(loss.clientWidth) || 460);
    const steps = totalSteps(state) || 100;
    const losses = curvesOf(state, (run) => smoothed(run.steps.map(({ step, loss }) => ({ step, value: loss }))));
    const highest = largest([1, ...losses.flatMap(({ points }) => points.map(({ value }) => value))]);
    const top = highest <= 2.5 ? 2.5 : Math.ceil(highest);
    const ticks = [0, 1, 2, 3, 4, 5].map((i) => (top * i) / 5);
    show(loss, drawChart({ title: "Loss", curves: losses, steps, top, ticks, format: (value) => value.toFixed(2), width }));
    const tested = curvesOf(state, (run) => run.tests.map(({ step, accuracy }) => ({ step, value: accuracy })));
    const format = (value: number): string => formatShare(value, 0);
    show(accuracy, drawChart({ title: "Test accuracy", curves: tested, steps, top: 1, ticks: accuracyTicks, format, width }));
  };
  store.listen(draw);
  new ResizeObserver(() => draw(store.state)).observe(panel);
  return panel;
}
