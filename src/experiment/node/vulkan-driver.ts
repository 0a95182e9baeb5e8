/** Looks for a Vulkan driver. Dawn looks for one too, but it complains on stderr, also to users who did not ask for a GPU. */

import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** The folders in whose `vulkan/icd.d` the Vulkan loader looks for drivers on Linux. */
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

/**
 * Whether a Vulkan driver is installed. On systems other than Linux the answer is yes, since a driver comes with the system (Metal,
 * Direct3D).
 */
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
