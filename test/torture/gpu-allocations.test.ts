/** Each allocation of a training step on a device fails, one after another. */

import { describe, expect, test } from "vitest";
import { failAllocations } from "../backend/gpu/allocation-faults.ts";
import { availability } from "../backend/gpu/available-mode.ts";

describe.each([await availability("cpu"), await availability("webgpu")])("on $title", ({ mode, missing }) => {
  test.skipIf(missing !== undefined)(
    "an error says what to do, nothing is left, and a restored training comes to the same bits",
    async () => {
      const report = await failAllocations(mode as "cpu" | "webgpu");
      console.log(mode, JSON.stringify(report));
      expect(report.failed).toBe(report.allocations);
    },
  );
});
