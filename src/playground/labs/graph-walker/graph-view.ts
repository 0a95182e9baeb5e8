/** The graph as SVG: nodes in layers, and on each edge the value that flows down and the cotangent that flows back. */

import { largest } from "../../../core/extent.ts";
import type { Shape } from "../../../core/shape.ts";
import { s, show } from "../../page/dom.ts";
import { layered, type Point } from "./layered.ts";
import { formatNumber, rowsOf, sayValues } from "./numbers.ts";
import type { Trace, TraceNode, Values } from "./trace.ts";
import type { WalkState } from "./walk.ts";

const column = 104;
const row = 96;
const pill = { width: 66, height: 32 };
const cell = 7;
const margin = 14;

const symbols: Readonly<Record<string, string>> = {
  add: "+",
  subtract: "−",
  multiply: "×",
  divide: "÷",
  sum: "Σ",
  reciprocalSqrt: "1/√",
};

/** What stands in a node. */
const face = ({ op, name }: TraceNode): string => (op === undefined ? (name ?? "") : (symbols[op] ?? op));

/** A node in words. */
export const sayNode = ({ op, name, kind }: TraceNode): string =>
  op === undefined ? `${kind} ${name ?? ""}`.trim() : name === undefined ? op : `${op}, named ${name}`;

/** Small tensors as cells: blue is positive and orange is negative. A single value is written out. */
function chip(kind: "value" | "cotangent", shape: Shape, values: Values): { readonly element: SVGElement; width: number; height: number } {
  const title = s("title", {}, `${kind}: ${sayValues(values)}`);
  if (values.length === 1) {
    const text = formatNumber(values[0]!);
    const width = text.length * 6.6 + 10;
    const box = s("rect", { class: "frame", width, height: 17, rx: 5 });
    return { element: s("g", { class: `chip ${kind}` }, title, box, s("text", { x: width / 2, y: 12.5 }, text)), width, height: 17 };
  }
  const rows = rowsOf(shape, values);
  const most = largest(values.map(Math.abs)) || 1;
  const cells = rows.flatMap((line, y) =>
    line.map((value, x) =>
      s("rect", {
        class: value < 0 ? "negative" : "positive",
        x: 3 + x * cell,
        y: 3 + y * cell,
        width: cell - 1,
        height: cell - 1,
        "fill-opacity": value === 0 ? 0 : Math.max(0.12, Math.abs(value) / most).toFixed(2),
      }),
    ),
  );
  const [width, height] = [rows[0]!.length * cell + 5, rows.length * cell + 5];
  return {
    element: s("g", { class: `chip ${kind}` }, title, s("rect", { class: "frame", width, height, rx: 4 }), ...cells),
    width,
    height,
  };
}

/** The chips of an edge around a point: numbers one above the other, cells side by side. */
function chips(at: Point, shape: Shape, value: Values | undefined, cotangent: Values | undefined): SVGElement[] {
  const made = [value && chip("value", shape, value), cotangent && chip("cotangent", shape, cotangent)].filter(
    (each) => each !== undefined,
  );
  const stacked = made[0] !== undefined && made[0].height < made[0].width;
  const total = made.reduce((sum, { width, height }) => sum + (stacked ? height : width) + 2, -2);
  let along = -total / 2;
  return made.map(({ element, width, height }) => {
    const [x, y] = stacked ? [-width / 2, along] : [along, -height / 2];
    along += (stacked ? height : width) + 2;
    element.setAttribute("transform", `translate(${(at.x + x).toFixed(1)} ${(at.y + y).toFixed(1)})`);
    return element;
  });
}

export interface GraphView {
  readonly element: SVGSVGElement;
  show(state: WalkState, selected: number | undefined): void;
  /** Where the node is on the screen. */
  nodeElement(node: number): Element;
}

/** The picture of a trace. @param onSelect Is called with a node that the visitor chooses. */
export function graphView(trace: Trace, onSelect: (node: number) => void): GraphView {
  const drawing = layered(trace.nodes.map(({ inputs }) => inputs));
  const loss = trace.nodes.length - 1;
  const width = (drawing.columns - 1) * column + pill.width + 2 * margin + 24;
  const height = drawing.layers * row + margin;
  const place = ({ x, y }: Point): Point => ({ x: margin + 12 + pill.width / 2 + x * column, y: margin + pill.height / 2 + y * row });

  const edges = trace.nodes.flatMap(({ inputs }, node) =>
    inputs.map((input, i) => {
      const way = drawing.edges[node]![i]!.map(place);
      const twins = inputs.flatMap((other, k) => (other === input ? [k] : []));
      const aside = (twins.indexOf(i) - (twins.length - 1) / 2) * 62;
      // Edges leave a node below its middle and meet the next one above it. Two edges between the same nodes bow to both sides.
      const d = way.slice(1).map((to, k) => {
        const from = way[k]!;
        const half = (from.y + to.y) / 2;
        return `C ${from.x + aside} ${half} ${to.x + aside} ${half} ${to.x} ${to.y}`;
      });
      const [from, to] = [way.at(-2)!, way.at(-1)!];
      const middle = { x: (from.x + to.x) / 2 + aside * 0.75, y: (from.y + to.y) / 2 };
      return { node, input, i, middle, path: s("path", { class: "edge", d: `M ${way[0]!.x} ${way[0]!.y} ${d.join(" ")}` }) };
    }),
  );
  const lossAt = place(drawing.nodes[loss]!);
  const stub = s("path", { class: "edge", d: `M ${lossAt.x} ${lossAt.y} v ${row / 2}` });
  const nodes = trace.nodes.map((node, i) => {
    const { x, y } = place(drawing.nodes[i]!);
    const label = face(node);
    const small = label.length > 7;
    const box = { x: -pill.width / 2, y: -pill.height / 2, ...pill, rx: node.op === undefined ? 4 : pill.height / 2 };
    return s(
      "g",
      {
        class: `node ${node.op === undefined ? node.kind : "op"}`,
        transform: `translate(${x} ${y})`,
        tabindex: 0,
        role: "button",
        click: () => onSelect(i),
        keydown: (event) => {
          if (!["Enter", " "].includes((event as KeyboardEvent).key)) return;
          event.preventDefault();
          onSelect(i);
        },
      },
      s("rect", box),
      s("text", { class: small ? "small" : "", y: 4.5 }, label),
    );
  });
  const names = trace.nodes.flatMap(({ op, name }, i) => {
    const { x, y } = place(drawing.nodes[i]!);
    const at = { x: x + pill.width / 2 - 2, y: y - pill.height / 2 - 3 };
    return op === undefined || name === undefined ? [] : [s("text", { class: "name", ...at }, name)];
  });
  const layer = s("g", { class: "chips" });
  const element = s(
    "svg",
    {
      class: "graph",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "group",
      "aria-label": "The graph, from its leaves to the loss",
    },
    ...edges.map(({ path }) => path),
    stub,
    ...nodes,
    // The labels of the nodes say the names already.
    s("g", { "aria-hidden": "true" }, ...names),
    layer,
  );

  const update = (state: WalkState, selected: number | undefined): void => {
    const backward = state.phase === "backward" || state.phase === "seed";
    nodes.forEach((node, i) => {
      const { values } = trace.nodes[i]!;
      const [known, cotangent] = [state.known.has(i), state.cotangents.get(i)];
      node.classList.toggle("known", known);
      node.classList.toggle("reached", cotangent !== undefined);
      node.classList.toggle("active", i === state.active);
      node.classList.toggle("selected", i === selected);
      node.setAttribute("aria-pressed", String(i === selected));
      const says = [known && `value ${sayValues(values)}`, cotangent && `cotangent ${sayValues(cotangent)}`].filter(Boolean);
      node.setAttribute("aria-label", [sayNode(trace.nodes[i]!), ...says].join("; "));
    });
    for (const { node, input, i, path } of edges) {
      const here = node === state.active;
      path.classList.toggle("known", state.known.has(input));
      path.classList.toggle("flow", here && !backward);
      path.classList.toggle("back", here && backward && state.contributions.get(node)?.[i] !== undefined);
    }
    show(
      layer,
      ...edges.flatMap(({ node, input, i, middle }) =>
        chips(
          middle,
          trace.nodes[input]!.shape,
          state.known.has(input) ? trace.nodes[input]!.values : undefined,
          state.contributions.get(node)?.[i],
        ),
      ),
      ...chips(
        { x: lossAt.x, y: lossAt.y + row * 0.55 },
        [],
        state.known.has(loss) ? trace.nodes[loss]!.values : undefined,
        state.cotangents.get(loss),
      ),
    );
  };
  return { element, show: update, nodeElement: (node) => nodes[node]! };
}
