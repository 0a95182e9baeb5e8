/** The two sizes of every plot: a page shows the wide one on screens with space for it, and the narrow one on phones. */

import type { Box } from "./label-placement.ts";

export interface PlotSize {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
}

export const wide: PlotSize = { width: 820, height: 520 };
export const narrow: PlotSize = { width: 380, height: 460 };

/** The space within the axes. @param right Pixels kept free at the right of the frame. */
export const frameOf = ({ width, height }: PlotSize, right = 20): Box => {
  const left = width < 600 ? 56 : 68;
  return { x: left, y: 20, width: width - left - right, height: height - 76 };
};
