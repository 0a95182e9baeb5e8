/** Checks that the project `chromium` (vitest.config.ts) has the suites of the browser's modes, and reports where they cannot run. */

import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { missingChromium } from "../../../browser/serve-page.ts";

if (missingChromium !== undefined) console.warn(`gpu.js webgl2 and webgpu in Chromium skipped: ${missingChromium}`);
const title = missingChromium === undefined ? "gpu.js in Chromium" : `gpu.js in Chromium: ${missingChromium}`;

describe.skipIf(missingChromium !== undefined)(title, () => {
  test.each(["webgl2", "webgpu"])("the project chromium has the suites of %s", (mode) => {
    expect(readdirSync(new URL("../chromium", import.meta.url))).toContain(`${mode}.test.ts`);
  });
});
