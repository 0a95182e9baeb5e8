/** Some of the allocations of a training step on a device fail, one after another. `npm run test:torture` takes all of them. */

import { describe, expect, test } from "vitest";
import { failAllocations } from "./allocation-faults.ts";
import { availability } from "./available-mode.ts";

describe.each([await availability("cpu"), await availability("webgpu")])("on $title", ({ mode, missing }) => {
  test.skipIf(missing !== undefined)(
    "an error says what to do, nothing is left, and a restored training comes to the same bits",
    async () => {
      const { failed, inStep } = await failAllocations(mode as "cpu" | "webgpu", 8);
      expect(failed).toBe(8);
      expect(inStep).toBeGreaterThan(0);
    },
  );
});
