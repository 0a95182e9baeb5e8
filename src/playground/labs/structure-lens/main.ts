/** The page of the structure lens. */

import { familyChoices } from "../../family-choices.ts";
import { drawFactor, drawValues } from "../../page/canvas.ts";
import { h, s, show } from "../../page/dom.ts";
import { formatCount, formatMagnitude, formatShare, formatTimes } from "../../page/format.ts";
import { themeButton } from "../../page/theme.ts";
import type { LensReport, WayFacts } from "./lens.ts";
import { targets } from "./targets.ts";
import type { LensAnswer } from "./worker.ts";

/** Rows and columns of the matrix. */
const side = 64;
/** Columns to which the matrix is applied, as powers of four. */
const columnChoices = [1, 4, 16, 64, 256, 1024, 4096, 16_384] as const;
/** The strength and the width of the brush, in entries. */
const brush = { strength: 1, radius: 2 } as const;

const families = familyChoices.filter(({ kind, slowFit }) => kind !== "Conv" && slowFit !== true);

let target = targets[0]!.entries(side);
let asked = 0;
let report: LensReport | undefined;

const source = h("select", { "aria-label": "Matrix" }, ...targets.map(({ name, title }) => h("option", { value: name }, title)));
const about = h("p", { class: "soft idea" });
const family = h("select", { "aria-label": "Structure" }, ...families.map(({ kind, title }) => h("option", { value: kind }, title)));
family.value = "TensorTrain";
const size = h("input", { type: "range", min: 0, step: 1, "aria-label": "Size of the structure" });
const written = h("output", { class: "size" });
const columns = h("input", { type: "range", min: 0, max: columnChoices.length - 1, step: 1, value: 5, "aria-label": "Columns" });
const writtenColumns = h("output", { class: "size" });
const idea = h("p", { class: "soft idea" });
const original = h("div", { class: "matrix" });
const result = h("div", { class: "lens-result", role: "status" });
const failure = h("div", { class: "notice error", role: "alert", hidden: true });

const chosen = () => families.find(({ kind }) => kind === family.value)!;
const conv = (): string => chosen().sizes[Number(size.value)]!;

const worker = new Worker(new URL("./structure-lens-worker.js", import.meta.url), { type: "module" });
worker.onmessage = ({ data }: MessageEvent<LensAnswer>) => {
  failure.hidden = data.kind === "report";
  if (data.kind === "failed") return show(failure, h("p", {}, data.message));
  report = data.report;
  draw();
};

function ask(): void {
  show(written, conv().split("_").slice(1).join(" "));
  size.hidden = chosen().sizes.length <= 1;
  show(idea, chosen().idea);
  show(writtenColumns, formatCount(columnChoices[Number(columns.value)]!));
  worker.postMessage({ id: ++asked, target, side, conv: conv(), columns: columnChoices[Number(columns.value)]! });
}

function drawTarget(): void {
  const canvas = drawValues({ name: "W", shape: [side, side], data: Float32Array.from(target) });
  canvas.classList.add("paintable");
  const paint = (event: PointerEvent): void => {
    const [x, y] = [event.offsetX, event.offsetY].map((offset) => Math.floor((offset * side) / canvas.clientWidth)) as [number, number];
    for (let i = Math.max(0, y - brush.radius); i <= Math.min(side - 1, y + brush.radius); i++)
      for (let j = Math.max(0, x - brush.radius); j <= Math.min(side - 1, x + brush.radius); j++)
        if (Math.hypot(i - y, j - x) <= brush.radius) target[i * side + j] = brush.strength;
    const painted = drawValues({ name: "W", shape: [side, side], data: Float32Array.from(target) });
    canvas.getContext("2d")!.drawImage(painted, 0, 0);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    paint(event);
  });
  canvas.addEventListener("pointermove", (event) => event.buttons > 0 && paint(event));
  canvas.addEventListener("pointerup", ask);
  show(original, canvas);
}

function draw(): void {
  if (report === undefined) return;
  const { nearest, factors, error, parameters, denseParameters, ways, choice, turn } = report;
  const figure = (label: string, value: string): HTMLElement => h("div", { class: "figure" }, h("dd", {}, value), h("dt", {}, label));
  show(
    result,
    h(
      "div",
      { class: "layer" },
      h("figure", { class: "whole" }, h("figcaption", {}, "The nearest structured matrix W̃"), drawValues(nearest)),
      h(
        "div",
        { class: "factors" },
        ...factors.map((factor) =>
          h("figure", {}, h("figcaption", {}, factor.name, " ", h("span", { class: "soft" }, factor.shape.join("×"))), drawFactor(factor)),
        ),
      ),
      h(
        "figure",
        { class: "spectrum" },
        h("figcaption", {}, "Singular values of ", h("span", { class: "a-text" }, "W"), " and ", h("span", { class: "b-text" }, "W̃")),
        spectra(report),
      ),
    ),
    h(
      "dl",
      { class: "figures" },
      figure("of W is lost: ‖W − W̃‖/‖W‖", formatShare(error)),
      figure(`parameters, of ${formatCount(denseParameters)}`, formatCount(parameters)),
      figure(
        parameters < denseParameters ? "fewer parameters" : "as many parameters or more",
        parameters < denseParameters ? formatTimes(denseParameters, parameters) : "–",
      ),
    ),
    waysTable(ways, choice.path),
    h(
      "p",
      { class: "soft" },
      turn === undefined
        ? `auto applies the matrix ${pathNames[choice.path]} for any number of columns.`
        : `auto changes its mind at about ${formatCount(turn.columns)} columns: from there on it works ${pathNames[turn.path]}.`,
    ),
  );
}

const pathNames = { factorized: "factor by factor", dense: "as the matrix W̃" } as const;

function waysTable(ways: readonly WayFacts[], taken: WayFacts["path"]): HTMLElement {
  const rows = ways.map(({ path, multiplyAdds, milliseconds }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, pathNames[path], path === taken && h("span", { class: "chip" }, "auto takes it")),
      h("td", {}, formatMagnitude(multiplyAdds)),
      h("td", {}, milliseconds.toFixed(3)),
    ),
  );
  return h(
    "table",
    { class: "ways" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Way"),
        h("th", { scope: "col" }, "Multiply-adds, predicted"),
        h("th", { scope: "col" }, "Milliseconds, measured here"),
      ),
    ),
    h("tbody", {}, ...rows),
  );
}

/** Both spectra as lines, relative to the largest value of W. */
function spectra({ singularValues }: LensReport): SVGSVGElement {
  const [width, height] = [260, 120];
  const top = Math.max(singularValues[0][0]!, singularValues[1][0]!) || 1;
  const line = (values: Float64Array, className: string): SVGPathElement => {
    const d = [...values]
      .map(
        (value, i) =>
          `${i === 0 ? "M" : "L"}${(2 + (i * (width - 4)) / (side - 1)).toFixed(1)} ${(height - 4 - ((height - 8) * value) / top).toFixed(1)}`,
      )
      .join("");
    return s("path", { d, class: `curve ${className}` });
  };
  return s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Singular values in descending order" },
    s("line", { x1: 0, x2: width, y1: height - 3, y2: height - 3, class: "grid" }),
    line(singularValues[0], "a"),
    line(singularValues[1], "b"),
  );
}

function chooseFamily(): void {
  const { sizes, usual } = chosen();
  size.max = String(sizes.length - 1);
  size.value = String(usual);
  ask();
}

function chooseTarget(): void {
  const found = targets.find(({ name }) => name === source.value)!;
  target = found.entries(side);
  show(about, found.about);
  drawTarget();
  ask();
}

source.addEventListener("change", chooseTarget);
family.addEventListener("change", chooseFamily);
size.addEventListener("input", ask);
columns.addEventListener("input", ask);

document.querySelector("#theme")!.replaceWith(
  themeButton(() => {
    drawTarget();
    draw();
  }),
);
document
  .querySelector("#app")!
  .replaceChildren(
    failure,
    h(
      "div",
      { class: "columns lens" },
      h(
        "section",
        { class: "panel", "aria-label": "Choices" },
        h("h2", {}, "Matrix W"),
        h("label", { class: "field" }, h("span", {}, "64×64, draw on it"), source),
        about,
        original,
        h("h2", {}, "Structure"),
        h("div", { class: "picker" }, family, size, written),
        idea,
        h("h2", {}, "Columns"),
        h("div", { class: "picker" }, columns, writtenColumns),
        h("p", { class: "soft idea" }, "The matrix is applied to this many columns at once: the pixels of a batch."),
      ),
      h("section", { class: "panel run b", "aria-label": "Result" }, result),
    ),
  );
size.max = String(chosen().sizes.length - 1);
size.value = String(chosen().usual);
chooseTarget();
document.documentElement.dataset.ready = "true";
