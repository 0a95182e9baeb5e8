/** The long tests, which `npm test` leaves out: `npx vitest run --config test/torture/vitest.config.ts`. */

import { defineConfig } from "vitest/config";

export default defineConfig({ test: { root: import.meta.dirname, include: ["*.test.ts"], testTimeout: 1_200_000, hookTimeout: 120_000 } });
