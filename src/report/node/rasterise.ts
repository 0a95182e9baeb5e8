/** Converts SVG to PNG. The font comes from a package, so the result is the same on every machine, even on one without fonts. */

import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";

const font = createRequire(import.meta.url).resolve("@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf");

/** The bytes of a PNG of the picture. @param width In pixels. The height follows from the picture. */
export const svgToPng = (svg: string, width: number): Uint8Array =>
  new Resvg(svg, {
    fitTo: { mode: "width", value: width },
    font: { fontFiles: [font], loadSystemFonts: false, defaultFontFamily: "Inter" },
  })
    .render()
    .asPng();
