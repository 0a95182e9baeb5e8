/** The files of `docs` that programs write, wholly or in part, with the contents that they must have. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runsIn } from "../../miniature/results.ts";
import { docs } from "../build/folders.ts";
import { peersPicture, torchPicture } from "../pictures/benchmark-pictures.ts";
import { coursePictures } from "../pictures/course-pictures.ts";
import { kernelPictures } from "../pictures/kernel-pictures.ts";
import { miniaturePicture } from "../pictures/miniature-picture.ts";
import { familyPages } from "./family-pages.ts";
import { contractionPart, familyPicture, measuredPart } from "./family-parts.ts";
import { withPart } from "./markdown-tables.ts";
import { measuredFiles } from "./measured-parts.ts";

/** The contents by the path in `docs`. A backend with float64 must be active. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const page = (path: string): Promise<string> => readFile(join(docs, path), "utf8");
  const miniature = runsIn(await page("miniature/results.jsonl"), []);
  const measurements = { benchmarks: await page("benchmarks.md"), results: await page("results.md"), miniature };
  const files = new Map(await measuredFiles());
  for (const [name, picture] of Object.entries(await coursePictures())) files.set(`course/pictures/${name}`, picture);
  for (const [name, picture] of Object.entries(kernelPictures)) files.set(`pictures/${name}`, picture);
  files.set("pictures/miniature.svg", miniaturePicture(miniature));
  files.set("pictures/torch.svg", torchPicture(measurements.benchmarks));
  files.set("pictures/peers.svg", peersPicture(measurements.benchmarks));
  for (const family of familyPages) {
    files.set(`families/pictures/${family.page}.svg`, familyPicture(family));
    const path = `families/${family.page}.md`;
    const counted = withPart(await page(path), "contraction", contractionPart(family));
    files.set(path, withPart(counted, "measured", measuredPart(family, measurements)));
  }
  return files;
}
