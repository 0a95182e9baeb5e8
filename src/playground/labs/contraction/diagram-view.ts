/** The diagram of a network as SVG. */

import { largest, smallest } from "../../../core/extent.ts";
import { s } from "../../page/dom.ts";
import { type Edge, edgesOf, type Places, placeOf, termName } from "./diagram.ts";
import type { Network, Step, Term } from "./orders.ts";
import type { Point } from "./spread.ts";

/** The largest picture, and the room that it keeps around the middles of nodes and ends. */
const frame = { width: 720, height: 400, marginX: 64, marginY: 44, unit: 170 } as const;

/** A map from the plane of the places to a picture of a certain size. */
interface Projection {
  readonly width: number;
  readonly height: number;
  readonly project: (p: Point) => Point;
}

/** One scale for both axes, as large as the frame allows. The picture is no higher than what it shows. */
function projectionOf(places: Places): Projection {
  const points = [...places.operands, ...places.joints.values(), ...places.ends.values()];
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [left, right, top, bottom] = [smallest(xs), largest(xs), smallest(ys), largest(ys)];
  const scale = Math.min(
    frame.unit,
    (frame.width - 2 * frame.marginX) / Math.max(right - left, 1e-6),
    (frame.height - 2 * frame.marginY) / Math.max(bottom - top, 1e-6),
  );
  const [width, height] = [Math.max(320, (right - left) * scale + 2 * frame.marginX), (bottom - top) * scale + 2 * frame.marginY];
  const project = ({ x, y }: Point): Point => ({
    x: width / 2 + (x - (left + right) / 2) * scale,
    y: height / 2 + (y - (top + bottom) / 2) * scale,
  });
  return { width, height, project };
}

/** The width of an edge grows with the logarithm of its size. */
const strokeWidth = (size: number): string => (1.5 + 0.45 * Math.log2(size)).toFixed(1);

/** A line that bows to the side, and the place of its label. */
function bow(from: Point, to: Point, aside: number): { readonly d: string; readonly middle: Point } {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const [nx, ny] = [-(to.y - from.y) / length, (to.x - from.x) / length];
  const control = { x: (from.x + to.x) / 2 + nx * aside * 2, y: (from.y + to.y) / 2 + ny * aside * 2 };
  return {
    d: `M ${from.x} ${from.y} Q ${control.x} ${control.y} ${to.x} ${to.y}`,
    middle: { x: (from.x + to.x) / 2 + nx * aside, y: (from.y + to.y) / 2 + ny * aside },
  };
}

/** The diagram in words. */
export const sayDiagram = (terms: readonly Term[], edges: readonly Edge[]): string => {
  const parts = edges.map(({ label, size, terms: holders, open }) => {
    const names = holders.map((i) => termName(terms[i]!));
    return `${label} of size ${size} ${names.length === 1 ? "at" : "joins"} ${names.join(", ")}${open ? ", and stays in the output" : ""}`;
  });
  return `${terms.length === 1 ? "One tensor" : `${terms.length} tensors`}: ${terms.map(termName).join(", ")}. ${parts.join("; ")}.`;
};

/** The picture of the terms that are left. The two terms of `next` are marked. */
export function diagramView(network: Network, terms: readonly Term[], places: Places, next: Step | undefined): SVGSVGElement {
  const { width, height, project } = projectionOf(places);
  const at = terms.map((term) => project(placeOf(term, places)));
  const edges = edgesOf(network, terms);
  const summed = (label: string): boolean => next?.left.labels.includes(label) === true && !next.result.labels.includes(label);
  const paths: SVGElement[] = [];
  const labels: SVGElement[] = [];
  const line = (edge: Edge, from: Point, to: Point, aside: number): Point => {
    const { d, middle } = bow(from, to, aside);
    const kind = edge.open ? "open" : summed(edge.label) ? "summed" : "";
    paths.push(s("path", { class: `wire ${kind}`, d, "stroke-width": strokeWidth(edge.size) }));
    return middle;
  };
  const write = ({ label, size }: Edge, { x, y }: Point): void => {
    labels.push(s("text", { class: "wire-label", x, y: y + 4 }, `${label}\u00a0${size}`));
  };
  for (const edge of edges) {
    const [first, second] = edge.terms.map((i) => at[i]!) as [Point, Point?];
    const end = edge.open ? places.ends.get(edge.label) : undefined;
    if (edge.joint) {
      const joint = project(places.joints.get(edge.label)!);
      for (const term of edge.terms) line(edge, at[term]!, joint, 0);
      if (end) line(edge, joint, project(end), 0);
      paths.push(s("circle", { class: "joint", cx: joint.x, cy: joint.y, r: 5 }));
      write(edge, { x: joint.x, y: joint.y - 16 });
    } else if (second !== undefined) {
      const twins = edges.filter(({ joint, open, terms: [a, b] }) => !joint && !open && a === edge.terms[0] && b === edge.terms[1]);
      write(edge, line(edge, first, second, (twins.indexOf(edge) - (twins.length - 1) / 2) * 34));
    } else if (end) {
      const to = project(end);
      line(edge, first, to, 0);
      const length = Math.hypot(to.x - first.x, to.y - first.y) || 1;
      write(edge, { x: to.x + ((to.x - first.x) / length) * 22, y: to.y + ((to.y - first.y) / length) * 14 });
    }
  }
  const nodes = terms.map((term, i) => {
    const name = termName(term);
    const breadth = Math.max(42, 20 + name.length * 11);
    const marked = next !== undefined && isOneOf(term, next);
    return s(
      "g",
      {
        class: `tensor-node${marked ? " next" : ""}${term.members.length > 1 ? " made" : ""}`,
        transform: `translate(${at[i]!.x} ${at[i]!.y})`,
      },
      s("rect", { x: -breadth / 2, y: -21, width: breadth, height: 42, rx: 21 }),
      s("text", { y: 5 }, name),
    );
  });
  const pair = terms.flatMap((term, i) => (next !== undefined && isOneOf(term, next) ? [at[i]!] : []));
  const band =
    pair.length === 2 ? s("path", { class: "band", d: `M ${pair[0]!.x} ${pair[0]!.y} L ${pair[1]!.x} ${pair[1]!.y}` }) : undefined;
  return s(
    "svg",
    { class: "diagram", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": sayDiagram(terms, edges) },
    band,
    ...paths,
    ...nodes,
    ...labels,
  );
}

/** Whether a step contracts the term. */
const isOneOf = (term: Term, { left, right }: Step): boolean => [left, right].some(({ members }) => members.join() === term.members.join());
