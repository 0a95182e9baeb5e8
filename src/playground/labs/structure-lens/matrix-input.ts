/** A matrix that the visitor chooses, and may draw on. */

import { type TensorArray, tensorArray } from "../../../linalg/tensor-array.ts";
import { drawValues } from "../../page/canvas.ts";
import { h, show } from "../../page/dom.ts";
import { targets } from "./targets.ts";

/** Rows and columns. */
const side = 64;
/** The strength and the width of the brush, in entries. */
const brush = { strength: 1, radius: 2 } as const;

export interface MatrixInput {
  readonly element: HTMLElement;
  target(): TensorArray;
  /** Takes the matrix of this name. */
  choose(name: string): void;
  /** Draws the matrix again, in the colours of the theme. */
  redraw(): void;
}

/** @param onDrawn Called when the visitor has drawn on the matrix. */
export function matrixInput(onDrawn: () => void): MatrixInput {
  let entries = targets[0]!.entries(side);
  const about = h("p", { class: "soft idea" });
  const picture = h("div", { class: "matrix" });
  const draw = (): HTMLCanvasElement => drawValues({ name: "W", shape: [side, side], data: Float32Array.from(entries) });

  function redraw(): void {
    const canvas = draw();
    canvas.classList.add("paintable");
    const paint = (event: PointerEvent): void => {
      const [x, y] = [event.offsetX, event.offsetY].map((offset) => Math.floor((offset * side) / canvas.clientWidth)) as [number, number];
      for (let i = Math.max(0, y - brush.radius); i <= Math.min(side - 1, y + brush.radius); i++)
        for (let j = Math.max(0, x - brush.radius); j <= Math.min(side - 1, x + brush.radius); j++)
          if (Math.hypot(i - y, j - x) <= brush.radius) entries[i * side + j] = brush.strength;
      canvas.getContext("2d")!.drawImage(draw(), 0, 0);
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      paint(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons > 0 && paint(event));
    canvas.addEventListener("pointerup", onDrawn);
    show(picture, canvas);
  }

  return {
    element: h("div", {}, about, picture),
    target: () => tensorArray([side, side], entries),
    choose(name) {
      const found = targets.find((target) => target.name === name)!;
      entries = found.entries(side);
      show(about, `${side}×${side}, draw on it: ${found.about}`);
      redraw();
    },
    redraw,
  };
}
