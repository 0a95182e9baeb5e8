/** Checks that the project `chromium` (vitest.config.ts) has the suites of the browser's modes, and reports where they cannot run. */

import { existsSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { chromium } from "../../../../vitest.config.ts";

const available = existsSync(chromium);
const reason = `no Chromium at ${chromium}; install it or set CHROMIUM`;
if (!available) console.warn(`gpu.js webgl2 and webgpu in Chromium skipped: ${reason}`);

describe.skipIf(!available)(`gpu.js in Chromium${available ? "" : `: ${reason}`}`, () => {
  test.each(["webgl2", "webgpu"])("the project chromium has the suites of %s", (mode) => {
    expect(readdirSync(new URL("../chromium", import.meta.url))).toContain(`${mode}.test.ts`);
  });
});
