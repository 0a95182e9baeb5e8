/** SVG to PNG, the same on every machine: with a font of its own, for there may be none. */

import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";

const font = createRequire(import.meta.url).resolve("@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf");

/** @param width in pixels; the height follows. */
export const svgToPng = (svg: string, width: number): Uint8Array =>
  new Resvg(svg, {
    fitTo: { mode: "width", value: width },
    font: { fontFiles: [font], loadSystemFonts: false, defaultFontFamily: "Inter" },
  })
    .render()
    .asPng();
