/** The tests that take minutes to hours: `npm run test:torture`. They are seeded, and each has a short form among the ordinary tests. */

import { defineConfig } from "vitest/config";
// It tells Dawn where its Vulkan driver is.
import "./vitest.config.ts";

export default defineConfig({
  test: {
    include: ["test/torture/**/*.test.ts"],
    testTimeout: 6 * 3_600_000,
    hookTimeout: 600_000,
    fileParallelism: false,
    // No worker thread takes this argument, so that batches are prepared on the main thread at once. Vitest compiles TypeScript for its own
    // threads only, and a run that starts other ones, which must fail, takes twice the time.
    execArgv: ["--single-threaded-gc"],
    reporters: ["verbose"],
  },
});
