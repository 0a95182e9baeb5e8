/** A colour and a shape for each family of convolutions, the same in every plot of a report. */

import { kindIn } from "../structured/convolution-name.ts";
import { builtInFamily } from "../structured/spec.ts";
import { element } from "./svg.ts";

/**
 * The palette of Okabe and Ito, whose colours colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/). Its yellow is left
 * out because it is too pale for thin marks.
 */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6a51a3", "#7f7f7f"] as const;

/** The corners x₀, y₀, x₁, y₁, … of each outline, of radius about 1; a circle has none. */
const shapes = {
  circle: undefined,
  square: [-0.85, -0.85, 0.85, -0.85, 0.85, 0.85, -0.85, 0.85],
  triangle: [0, -1.1, 1.05, 0.8, -1.05, 0.8],
  diamond: [0, -1.2, 1.2, 0, 0, 1.2, -1.2, 0],
  wedge: [0, 1.1, 1.05, -0.8, -1.05, -0.8],
} as const;
const shapeNames = Object.keys(shapes) as (keyof typeof shapes)[];

export interface Look {
  readonly colour: string;
  readonly shape: keyof typeof shapes;
}

/** The name of a family in a legend: `Tensor-Train` for `TensorTrain`. A family of a module has its kind. */
export const titleOf = (family: string): string => builtInFamily(family)?.title ?? family;

/**
 * A look for each family of a report, in the order of their names. Eight colours and five shapes are dealt out together, which makes 40
 * looks.
 */
export function looksOf(convolutions: readonly string[]): ReadonlyMap<string, Look> {
  const names = [...new Set(convolutions.map(kindIn))].sort();
  return new Map(names.map((name, i) => [name, { colour: colours[i % colours.length]!, shape: shapeNames[i % shapeNames.length]! }]));
}

/** The mark of one network: filled if a teacher taught it, and hollow otherwise. */
export function mark({ colour, shape }: Look, x: number, y: number, filled: boolean, radius = 5.5): string {
  const paint = { fill: filled ? colour : "none", stroke: colour, "stroke-width": 1.8 };
  const outline = shapes[shape];
  if (outline === undefined) return element("circle", { cx: x, cy: y, r: radius * 0.95, ...paint });
  const points = Array.from(
    { length: outline.length / 2 },
    (_, i) => `${(x + outline[2 * i]! * radius).toFixed(1)},${(y + outline[2 * i + 1]! * radius).toFixed(1)}`,
  );
  return element("polygon", { points: points.join(" "), ...paint });
}
