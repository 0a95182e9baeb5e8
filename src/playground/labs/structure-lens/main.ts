/** The page of the structure lens. */

import { familyChoices } from "../../family-choices.ts";
import { h, show } from "../../page/dom.ts";
import { formatCount } from "../../page/format.ts";
import { themeButton } from "../../page/theme.ts";
import type { LensReport } from "./lens.ts";
import { matrixInput } from "./matrix-input.ts";
import { networkInput } from "./network-input.ts";
import { reportView } from "./report-view.ts";
import { targets } from "./targets.ts";
import type { LensAnswer, LensRequest } from "./worker.ts";

/** Columns to which the matrix is applied. They are square numbers, because a convolution is applied to a square image. */
const columnChoices = [1, 4, 16, 64, 256, 1024, 4096, 16_384] as const;
/** The choice of a layer, among the names of matrices. */
const trained = "trained";

const families = familyChoices.filter(({ kind, slowFit }) => kind !== "Conv" && slowFit !== true);

let report: LensReport | undefined;

const source = h(
  "select",
  { "aria-label": "Matrix", change: chooseSource },
  ...targets.map(({ name, title }) => h("option", { value: name }, title)),
  h("option", { value: trained }, "A trained network"),
);
const family = h(
  "select",
  { "aria-label": "Structure", change: chooseFamily },
  ...families.map(({ kind, title }) => h("option", { value: kind }, title)),
);
family.value = "TensorTrain";
const size = h("input", { type: "range", min: 0, step: 1, "aria-label": "Size of the structure", input: ask });
const written = h("output", { class: "size" });
const columns = h("input", {
  type: "range",
  min: 0,
  max: columnChoices.length - 1,
  step: 1,
  value: 5,
  "aria-label": "Columns",
  input: ask,
});
const writtenColumns = h("output", { class: "size" });
const idea = h("p", { class: "soft idea" });
const result = h("div", { class: "lens-result", role: "status" });
const failure = h("div", { class: "notice error", role: "alert", hidden: true });
const drawn = matrixInput(ask);
const network = networkInput((file) => send({ kind: "open", file }), ask);

const chosen = () => families.find(({ kind }) => kind === family.value)!;
const conv = (): string => chosen().sizes[Number(size.value)]!;
const isTrained = (): boolean => source.value === trained;

const worker = new Worker(new URL("./structure-lens-worker.js", import.meta.url), { type: "module" });
const send = (request: LensRequest): void => worker.postMessage(request);

worker.onmessage = ({ data }: MessageEvent<LensAnswer>) => {
  failure.hidden = data.kind !== "failed";
  switch (data.kind) {
    case "opened":
      return network.showLayers(data.layers);
    case "failed":
      if (data.during === "open") network.keep();
      else show(result);
      return show(failure, h("p", {}, data.message));
    case "report":
      // The answer to a question about what was chosen before.
      if (data.layer !== target()) return;
      report = data.report;
      return draw();
  }
};

/** The name of the chosen layer; undefined for a matrix that was chosen or drawn. */
const target = (): string | undefined => (isTrained() ? network.target() : undefined);

function ask(): void {
  show(written, conv().split("_").slice(1).join(" "));
  size.hidden = chosen().sizes.length <= 1;
  show(idea, chosen().idea);
  show(writtenColumns, formatCount(columnChoices[Number(columns.value)]!));
  if (isTrained() && network.target() === undefined) return;
  const question = { conv: conv(), columns: columnChoices[Number(columns.value)]! };
  send({ kind: "look", question: { ...question, target: target() ?? drawn.target() } });
}

function draw(): void {
  if (report === undefined) return;
  if (isTrained()) network.showMatrix(report.w);
  show(result, ...reportView(report));
}

function chooseFamily(): void {
  const { sizes, usual } = chosen();
  size.max = String(sizes.length - 1);
  size.value = String(usual);
  ask();
}

function chooseSource(): void {
  drawn.element.hidden = isTrained();
  network.element.hidden = !isTrained();
  if (isTrained()) network.start();
  else drawn.choose(source.value);
  ask();
}

document.querySelector("#theme")!.replaceWith(
  themeButton(() => {
    drawn.redraw();
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
        source,
        drawn.element,
        network.element,
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
chooseSource();
document.documentElement.dataset.ready = "true";
