import { defineConfig } from "vitest/config";

/** The tests that Stryker runs: those of the structured layers and of the ops. */
export default defineConfig({
  test: { include: ["test/structured/**/*.test.ts", "test/grad/**/*.test.ts", "test/ops/**/*.test.ts"], testTimeout: 120_000 },
});
