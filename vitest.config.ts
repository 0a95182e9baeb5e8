/**
 * The test projects: `node`, and `chromium` for tests that need the WebGL or WebGPU of a browser. The project `headless-gl` is added where
 * `npm run test:headless-gl` has built the package gl. The project `wide` is run by test/engines/wide-engines.test.ts, on other versions of
 * Node.
 */

import { existsSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

export const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";

// Dawn finds its Vulkan driver through the environment, which worker processes inherit when they start. Debian's chromium includes
// SwiftShader.
const swiftShader = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (process.env.VK_ICD_FILENAMES === undefined && existsSync(swiftShader)) process.env.VK_ICD_FILENAMES = swiftShader;

// Mesa's Vulkan drivers print a line on stderr where this folder is not named, and some tests compare what a program prints.
process.env.XDG_RUNTIME_DIR ??= tmpdir();

const gpuFolder = "test/backend/gpu";
const wideFolder = "test/engines/wide";

const node: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: "node",
    include: ["test/**/*.test.ts"],
    exclude: [`${gpuFolder}/chromium/**`, `${gpuFolder}/headless-gl/**`, `${wideFolder}/**`, "test/torture/**"],
  },
};

const wide: TestProjectInlineConfiguration = {
  extends: true,
  test: { name: "wide", include: [`${wideFolder}/*.test.ts`] },
};

const headlessGl: TestProjectInlineConfiguration = {
  extends: true,
  test: { name: "headless-gl", include: [`${gpuFolder}/headless-gl/*.test.ts`] },
};

/** Runs WebGL and WebGPU on SwiftShader, a software driver, so that both compute the same on every machine. */
const launchOptions = {
  executablePath: chromium,
  args: [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
  ],
};

const browser: TestProjectInlineConfiguration = {
  extends: true,
  // Vite would otherwise find these packages only when a test imports them, and would then reload the page in the middle of the tests.
  optimizeDeps: { include: ["gpu.js", "fast-check"] },
  test: {
    name: "chromium",
    include: [`${gpuFolder}/chromium/*.test.ts`],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions }),
      instances: [{ browser: "chromium" }],
    },
  },
};

declare module "vitest" {
  export interface ProvidedContext {
    testShare: number;
    propertySeed: number | undefined;
  }
}

export default defineConfig({
  test: {
    // A browser has no environment variables, so the tests get these two numbers from here. Half of the cases let a run of all tests end in
    // minutes. TEST_SHARE=1 draws all of them. Without PROPERTY_SEED, each run draws new cases.
    provide: {
      testShare: Number(process.env.TEST_SHARE ?? 0.5),
      propertySeed: process.env.PROPERTY_SEED === undefined ? undefined : Number(process.env.PROPERTY_SEED),
    },
    setupFiles: ["test/support/property-seed.ts"],
    // Vitest leaves one core free. Of two cores, that would be half.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 120_000,
    hookTimeout: 60_000,
    projects: [
      node,
      ...(existsSync(chromium) ? [browser] : []),
      ...(process.env.GL_PACKAGE ? [headlessGl] : []),
      ...(process.env.WIDE_ENGINE ? [wide] : []),
    ],
  },
});
