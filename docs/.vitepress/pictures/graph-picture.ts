/**
 * The picture of a graph that a program recorded: every tensor with the op that made it, its value, and its cotangent. It is drawn from the
 * origins of the tensors, so it shows what the library did.
 */

import { gradients } from "../../../src/grad/gradients.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { box, curve, picture, text, textWidth } from "./svg.ts";

export interface GraphOptions {
  /** What a screen reader says. */
  readonly title: string;
  /** The names of tensors that have one. */
  readonly names: ReadonlyMap<Tensor, string>;
  /** What a node shows below its name: its value and cotangent, its value, or its shape. Default: `gradients`. */
  readonly show?: "gradients" | "values" | "shapes";
}

interface Node {
  readonly tensor: Tensor;
  readonly lines: readonly { readonly text: string; readonly paint?: "value" | "gradient" | "dim" }[];
  readonly width: number;
  /** Its distance from the inputs in the longest way: the row of the picture. */
  readonly row: number;
}

const [lineHeight, padding, gap, rowGap] = [18, 10, 24, 44];

/** The tensors that `y` was computed from, each after its inputs, with the row of each. */
function rowsOf(y: Tensor): Map<Tensor, number> {
  const rows = new Map<Tensor, number>();
  const visit = (tensor: Tensor): number => {
    const known = rows.get(tensor);
    if (known !== undefined) return known;
    const row = 1 + Math.max(-1, ...(tensor.origin?.inputs ?? []).map(visit));
    rows.set(tensor, row);
    return row;
  };
  visit(y);
  return rows;
}

/** A number with at most three decimals. */
export const short = (value: number): string => String(Math.round(value * 1000) / 1000).replace("-", "−");
const numbers = async (tensor: Tensor): Promise<string> => Array.from(await tensor.data(), (value) => short(Number(value))).join(" ");

/** The picture of the graph of the scalar `y`, from the inputs at the top to `y` at the bottom. */
export async function graphPicture(y: Tensor, { title, names, show = "gradients" }: GraphOptions): Promise<string> {
  const rows = rowsOf(y);
  const tensors = [...rows.keys()];
  const cotangents = show === "gradients" ? gradients(y, tensors) : [];
  const nodes = await Promise.all(
    tensors.map(async (tensor, i): Promise<Node> => {
      const name = names.get(tensor);
      const op = tensor.origin?.op;
      const head = name === undefined ? (op ?? "constant") : op === undefined ? name : `${name} = ${op}`;
      const value =
        show === "shapes" ? { text: `[${tensor.shape.join(",")}]`, paint: "dim" } : { text: await numbers(tensor), paint: "value" };
      const cotangent = cotangents[i];
      const back = cotangent === undefined ? [] : [{ text: `cotangent ${await numbers(cotangent)}`, paint: "gradient" }];
      const lines = [{ text: head }, value, ...back] as Node["lines"];
      return { tensor, lines, width: 2 * padding + Math.max(...lines.map((each) => textWidth(each.text))), row: rows.get(tensor)! };
    }),
  );
  const height = (node: Node): number => 2 * padding + lineHeight * node.lines.length - 4;
  const count = 1 + Math.max(...rows.values());
  const byRow = Array.from({ length: count }, (_, row) => nodes.filter((node) => node.row === row));
  const widths = byRow.map((row) => row.reduce((total, node) => total + node.width, gap * (row.length - 1)));
  const width = Math.max(...widths) + 8;
  const placed = new Map<Tensor, { readonly node: Node; readonly x: number; readonly top: number }>();
  let top = 4;
  for (const [r, row] of byRow.entries()) {
    let left = (width - widths[r]!) / 2;
    for (const node of row) {
      placed.set(node.tensor, { node, x: left + node.width / 2, top });
      left += node.width + gap;
    }
    top += Math.max(...row.map(height)) + rowGap;
  }
  const parts: string[] = [];
  for (const { node, x, top } of placed.values()) {
    const inputs = node.tensor.origin?.inputs ?? [];
    for (const [i, input] of inputs.entries()) {
      const from = placed.get(input)!;
      const bottom = from.top + height(from.node);
      // Two edges to one node end beside each other, also where they come from one tensor.
      const end = x + (i - (inputs.length - 1) / 2) * 28;
      parts.push(curve(from.x + (end - x), bottom, end, top, { arrow: true }));
    }
  }
  for (const { node, x, top } of placed.values()) {
    const isInput = node.tensor.origin === undefined;
    parts.push(box(x - node.width / 2, top, node.width, height(node), isInput ? "accent" : "box"));
    for (const [i, each] of node.lines.entries())
      parts.push(text(x, top + padding + 11 + i * lineHeight, each.text, { ...(each.paint ? { paint: each.paint } : {}), bold: i === 0 }));
  }
  return picture(width, top - rowGap + 4, title, parts);
}
