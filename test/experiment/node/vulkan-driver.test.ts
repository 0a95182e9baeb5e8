import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasVulkanDriver } from "../../../src/experiment/node/vulkan-driver.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-vulkan-"));
  await mkdir(join(folder, "full/vulkan/icd.d"), { recursive: true });
  await writeFile(join(folder, "full/vulkan/icd.d/some_icd.json"), "{}");
  await mkdir(join(folder, "empty/vulkan/icd.d"), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The folders that cannot be moved, such as /etc, may hold a driver on this machine. */
const elsewhere = hasVulkanDriver({ HOME: "/nowhere", XDG_CONFIG_DIRS: "/nowhere", XDG_DATA_DIRS: "/nowhere" }, "linux");

test.each(["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS"])(
  "a driver in %s is found, an empty folder is none",
  (name) => {
    const bare = { HOME: "/nowhere", XDG_CONFIG_DIRS: "/nowhere", XDG_DATA_DIRS: "/nowhere" };
    expect(hasVulkanDriver({ ...bare, [name]: join(folder, "full") }, "linux")).toBe(true);
    expect(hasVulkanDriver({ ...bare, [name]: join(folder, "empty") }, "linux")).toBe(elsewhere);
  },
);

test("a driver named by the environment counts, and other systems have one", () => {
  expect(hasVulkanDriver({ VK_ICD_FILENAMES: "/usr/lib/chromium/vk_swiftshader_icd.json" }, "linux")).toBe(true);
  expect(hasVulkanDriver({ HOME: "/nowhere" }, "darwin")).toBe(true);
});
