import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";

// Without a graphics card WebGPU computes on Chromium's software driver, where there is one; workers inherit what names it.
const softwareDriver = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (existsSync(softwareDriver)) process.env.VK_ICD_FILENAMES ??= softwareDriver;

export default defineConfig({
  test: { include: ["test/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 60_000 },
});
