/** Converts SVG to PNG. The font comes from a package, so the result is the same on every machine, even on one without fonts. */

import { createRequire } from "node:module";
import { loadOptional } from "../../core/optional-package.ts";

/** @returns the bytes of a PNG of the picture. `width` is in pixels. The height follows from the picture. */
export type Rasterise = (svg: string, width: number) => Uint8Array;

/**
 * Loads the packages that draw SVG, which are optional. @param command What an error begins with. @throws ConfigError when one is missing.
 */
export const loadRasteriser = (command: string): Promise<Rasterise> =>
  loadOptional(command, ["@resvg/resvg-js", "@expo-google-fonts/inter"], async () => {
    const { Resvg } = await import("@resvg/resvg-js");
    const font = createRequire(import.meta.url).resolve("@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf");
    return (svg, width) =>
      new Resvg(svg, {
        fitTo: { mode: "width", value: width },
        font: { fontFiles: [font], loadSystemFonts: false, defaultFontFamily: "Inter" },
      })
        .render()
        .asPng();
  });
