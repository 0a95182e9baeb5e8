/** Encodes attention maps, filters and images as PNG. */

import { encode } from "fast-png";
import type { Picture } from "./report-run.ts";

/**
 * Matplotlib's colour map viridis at nine points (https://bids.github.io/colormap/), from dark blue to yellow. Its lightness rises evenly,
 * so larger numbers look larger. Colours between the points are interpolated linearly.
 */
const ramp = [
  [68, 1, 84],
  [71, 44, 122],
  [59, 81, 139],
  [44, 113, 142],
  [33, 144, 141],
  [39, 173, 129],
  [92, 200, 99],
  [170, 220, 50],
  [253, 231, 37],
] as const;

/** The colour of a value in [0, 1], as red, green and blue in 0 … 255. */
export function heatColour(value: number): readonly [number, number, number] {
  const at = Math.min(1, Math.max(0, Number.isFinite(value) ? value : 0)) * (ramp.length - 1);
  const k = Math.min(Math.floor(at), ramp.length - 2);
  const channel = (c: 0 | 1 | 2): number => Math.round(ramp[k]![c] + (at - k) * (ramp[k + 1]![c] - ramp[k]![c]));
  return [channel(0), channel(1), channel(2)];
}

/** The bytes of a PNG in which each pixel of the picture is a square of `scale` × `scale` pixels (default: 1). */
export function picturePng({ width, height, channels, values }: Picture, scale = 1): Uint8Array {
  const data = new Uint8Array(width * scale * height * scale * 3);
  for (let y = 0; y < height * scale; y++)
    for (let x = 0; x < width * scale; x++) {
      const pixel = Math.floor(y / scale) * width + Math.floor(x / scale);
      const colour =
        channels === 1
          ? heatColour(values[pixel]!)
          : [0, 1, 2].map((c) => Math.round(255 * Math.min(1, Math.max(0, values[pixel * 3 + c]!))));
      data.set(colour, (y * width * scale + x) * 3);
    }
  return encode({ width: width * scale, height: height * scale, data, channels: 3, depth: 8 });
}

export const dataUri = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
