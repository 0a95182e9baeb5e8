/** The folder of a run for which no folder was named. */

import { join } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { RunFolder } from "../../train/node/run-folder.ts";
import { formatNetwork } from "../network-spec.ts";
import type { Settings } from "../setting-rules.ts";
import { networkOf } from "../settings.ts";

/** `runs/2025-03-09T14-05-30-wrn-10-1-Conv`. A second run of the same second gets `-2` after its name. */
export async function defaultFolder(settings: Settings): Promise<string> {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  const stem = join("runs", `${time}-${formatNetwork(networkOf(settings))}`);
  for (let n = 1; ; n++) {
    const path = n === 1 ? stem : `${stem}-${n}`;
    try {
      await RunFolder.checkFree(path);
      return path;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
    }
  }
}
