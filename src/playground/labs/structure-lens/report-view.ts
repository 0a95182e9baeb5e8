/** What the lens has found, as elements of the page. */

import { drawFactor, drawValues } from "../../page/canvas.ts";
import { h, s } from "../../page/dom.ts";
import { formatCount, formatMagnitude, formatShare, formatTimes } from "../../page/format.ts";
import type { LensReport, WayFacts } from "./lens.ts";

export function reportView(report: LensReport): HTMLElement[] {
  const { nearest, factors, ways, choice, turn } = report;
  const names = wayNames[report.windowError === undefined ? "matrix" : "kernel"];
  return [
    h(
      "div",
      { class: "layer" },
      h("figure", { class: "whole" }, h("figcaption", {}, "The nearest structured matrix W̃"), drawValues(nearest)),
      h(
        "div",
        { class: "factors" },
        ...factors.map((factor) =>
          h(
            "figure",
            {},
            h("figcaption", {}, partNames.get(factor.name) ?? factor.name, " ", h("span", { class: "soft" }, factor.shape.join("×"))),
            drawFactor(factor),
          ),
        ),
      ),
      h(
        "figure",
        { class: "spectrum" },
        h("figcaption", {}, "Singular values of ", h("span", { class: "a-text" }, "W"), " and ", h("span", { class: "b-text" }, "W̃")),
        spectra(report),
      ),
    ),
    h("dl", { class: "figures" }, ...figures(report)),
    waysTable(ways, choice.path, names),
    h(
      "p",
      { class: "soft" },
      turn === undefined
        ? `auto computes ${names[choice.path]} for any number of columns.`
        : `auto changes its mind at about ${formatCount(turn.columns)} columns: from there on it computes ${names[turn.path]}.`,
    ),
  ];
}

type WayNames = Readonly<Record<WayFacts["way"], string>>;

const wayNames: Readonly<Record<"matrix" | "kernel", WayNames>> = {
  matrix: { target: "W itself, without structure", factorized: "factor by factor", dense: "with the matrix W̃" },
  kernel: { target: "the kernel K itself", factorized: "the window, then factor by factor", dense: "the window, then the matrix W̃" },
};

/** The parameter that readers know by another name than the state has. */
const partNames: ReadonlyMap<string, string> = new Map([["grouped.weight", "window"]]);

function figures({ error, windowError, parameters, denseParameters }: LensReport): HTMLElement[] {
  const figure = (label: string, value: string): HTMLElement => h("div", { class: "figure" }, h("dd", {}, value), h("dt", {}, label));
  const saved = parameters < denseParameters ? `: ${formatTimes(denseParameters, parameters)} fewer` : "";
  return [
    ...(windowError === undefined
      ? [figure("of W is lost: ‖W − W̃‖/‖W‖", formatShare(error))]
      : [
          figure("of the kernel is lost: ‖K − K̃‖/‖K‖", formatShare(error)),
          figure("is lost by the window alone, with all of W", formatShare(windowError)),
        ]),
    figure(`parameters, of ${formatCount(denseParameters)}${saved}`, formatCount(parameters)),
  ];
}

function waysTable(ways: readonly WayFacts[], taken: WayFacts["way"], names: WayNames): HTMLElement {
  const head = (text: string): HTMLElement => h("th", { scope: "col" }, text);
  const rows = ways.map(({ way, multiplyAdds, milliseconds }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, names[way], way === taken && h("span", { class: "chip" }, "auto takes it")),
      h("td", {}, formatMagnitude(multiplyAdds)),
      h("td", {}, milliseconds.toFixed(3)),
    ),
  );
  return h(
    "table",
    { class: "ways" },
    h("thead", {}, h("tr", {}, head("Way"), head("Multiply-adds, predicted"), head("Milliseconds, measured here"))),
    h("tbody", {}, ...rows),
  );
}

/** Both spectra as lines, relative to the largest value of both. */
function spectra({ singularValues }: LensReport): SVGSVGElement {
  const [width, height] = [260, 120];
  const top = Math.max(singularValues[0][0]!, singularValues[1][0]!) || 1;
  const line = (values: Float64Array, className: string): SVGPathElement => {
    const step = (width - 4) / Math.max(1, values.length - 1);
    const d = [...values]
      .map((value, i) => `${i === 0 ? "M" : "L"}${(2 + i * step).toFixed(1)} ${(height - 4 - ((height - 8) * value) / top).toFixed(1)}`)
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
