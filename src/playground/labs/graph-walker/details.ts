/** The panel of one node: its numbers, its equation, its source, and the test that holds it. */

import { formatShape } from "../../../core/shape.ts";
import { h } from "../../page/dom.ts";
import { sayNode } from "./graph-view.ts";
import { formatNumber, rowsOf } from "./numbers.ts";
import type { OpFacts, OpFactsTable } from "./op-facts.ts";
import { sourcePage } from "./source-page.ts";
import type { Trace, Values } from "./trace.ts";
import type { WalkState } from "./walk.ts";

/** A tensor as a small table. */
function table(label: string, kind: "value" | "cotangent", shape: readonly number[], values: Values | undefined): HTMLElement {
  const rows = values === undefined ? [] : rowsOf(shape, values);
  return h(
    "div",
    { class: `tensor ${kind}` },
    h("p", { class: "soft" }, label, " ", h("span", { class: "shape" }, formatShape(shape))),
    values === undefined
      ? h("p", { class: "soft" }, "not yet known")
      : h(
          "table",
          { class: "elements", "aria-label": label },
          h("tbody", {}, ...rows.map((line) => h("tr", {}, ...line.map((value) => h("td", {}, formatNumber(value)))))),
        ),
  );
}

const sourceLink = (file: string, line: number): HTMLElement => h("a", { href: `source/${sourcePage(file)}#L${line}` }, `${file}:${line}`);

function facts(known: OpFacts): HTMLElement[] {
  return [
    h("h3", {}, "Equation"),
    h("p", { class: "statement" }, known.equation),
    ...(known.vjp === "" ? [] : [h("p", { class: "statement" }, known.vjp)]),
    h("h3", {}, "Code"),
    h("pre", { class: "code" }, h("code", {}, known.code)),
    h(
      "p",
      { class: "places" },
      sourceLink(known.file, known.line),
      ...(known.recordedLine - known.line > 3 || known.recordedLine < known.line
        ? [" ", h("span", { class: "soft" }, "recorded in "), sourceLink(known.file, known.recordedLine)]
        : []),
    ),
    ...(known.test === undefined
      ? []
      : [
          h("h3", {}, "Test"),
          h(
            "p",
            {},
            "Central differences, in float64, of first and second order: the row ",
            h("code", {}, known.test.row),
            " of ",
            sourceLink(known.test.file, known.test.line),
          ),
        ]),
  ];
}

const leafTexts = {
  parameter: "A leaf whose gradient is wanted. Its gradient is the sum of all cotangents that reach it.",
  constant: "A constant. No cotangent is computed for it, because nobody asked for its gradient.",
  value: "",
} as const;

/** The panel of a node at a state of the walk. */
export function details(trace: Trace, node: number, state: WalkState, opFacts: OpFactsTable): HTMLElement[] {
  const shown = trace.nodes[node]!;
  const known = shown.op === undefined ? undefined : opFacts[shown.op];
  return [
    h("h2", {}, sayNode(shown)),
    h(
      "div",
      { class: "tensors" },
      table("value", "value", shown.shape, state.known.has(node) ? shown.values : undefined),
      shown.kind === "constant" ? undefined : table("cotangent", "cotangent", shown.shape, state.cotangents.get(node)),
    ),
    ...(shown.op === undefined ? [h("p", { class: "soft leaf" }, leafTexts[shown.kind])] : []),
    ...(known === undefined ? [] : facts(known)),
  ];
}
