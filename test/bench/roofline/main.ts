/** Writes the table of docs/gpu.md: `npx tsx test/bench/roofline/main.ts`. It counts, so it needs no GPU. */

import { readFileSync, writeFileSync } from "node:fs";
import { withPart } from "../../../docs/.vitepress/figures/markdown-tables.ts";
import { rooflineMarkdown } from "./markdown.ts";

const page = new URL("../../../docs/gpu.md", import.meta.url);
writeFileSync(page, withPart(readFileSync(page, "utf8"), "roofline", rooflineMarkdown()));
