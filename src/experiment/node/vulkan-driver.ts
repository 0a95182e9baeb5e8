/** Whether there is a Vulkan driver to find. Dawn would find out too, but complains on stderr, which nobody who did not ask for a GPU should see. */

import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the Vulkan loader looks for drivers on Linux, in folders `vulkan/icd.d` of these. */
function searchedFolders(env: Environment): string[] {
  const home = env.HOME ?? homedir();
  const listed = (paths: string): string[] => paths.split(":").filter((path) => path !== "");
  return [
    env.XDG_CONFIG_HOME ?? join(home, ".config"),
    ...listed(env.XDG_CONFIG_DIRS ?? "/etc/xdg"),
    "/etc",
    env.XDG_DATA_HOME ?? join(home, ".local/share"),
    ...listed(env.XDG_DATA_DIRS ?? "/usr/local/share:/usr/share"),
    "/run/opengl-driver/share",
  ];
}

/** Elsewhere than on Linux a driver comes with the system (Metal, Direct3D), and the answer is yes. */
export function hasVulkanDriver(env: Environment = process.env, platform: NodeJS.Platform = process.platform): boolean {
  if (platform !== "linux") return true;
  if (env.VK_ICD_FILENAMES || env.VK_DRIVER_FILES || env.VK_ADD_DRIVER_FILES) return true;
  return searchedFolders(env).some((folder) => {
    try {
      return readdirSync(join(folder, "vulkan/icd.d")).some((name) => name.endsWith(".json"));
    } catch {
      return false;
    }
  });
}
