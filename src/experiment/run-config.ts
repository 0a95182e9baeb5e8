/** What `config.json` and every checkpoint record of a run: enough to repeat it. */

import { DataError } from "../core/errors.ts";
import type { Images } from "./node/load-images.ts";
import { checkSettings, type Settings } from "./settings.ts";
import type { BackendReport } from "./node/start-backend.ts";
import type { TeacherRecord } from "./node/teacher.ts";
import { packageVersion } from "./node/version.ts";

export interface RunConfig {
  readonly separable: string;
  readonly preset: string;
  readonly settings: Settings;
  /** The data set asked for when synthetic images stood in for it. */
  readonly fallback?: { readonly wanted: string; readonly reason: string } | undefined;
  /** The checkpoint whose convolutions were replaced to begin this run. */
  readonly compressed?: { readonly from: string; readonly relativeError: number } | undefined;
  /** The other program's file that this run was made of. */
  readonly converted?: { readonly from: string } | undefined;
  /** Who taught it. */
  readonly teacher?: TeacherRecord | undefined;
  /** Where it ran: the same settings give the same bits on the same backend with as many threads. */
  readonly environment: { readonly node: string; readonly platform: string; readonly backend: BackendReport };
}

export const createRunConfig = (
  preset: string,
  settings: Settings,
  { backend, images: { fallback }, teacher }: { backend: BackendReport; images: Images; teacher: TeacherRecord | undefined },
): RunConfig => ({
  separable: packageVersion(),
  preset,
  settings,
  fallback,
  teacher,
  environment: { node: process.versions.node, platform: `${process.platform}-${process.arch}`, backend },
});

/** @throws DataError unless it is a configuration this version can run. */
export function checkRunConfig(value: unknown, source: string): RunConfig {
  if (typeof value !== "object" || value === null || !("settings" in value) || !("environment" in value))
    throw new DataError(
      `run: ${source} must hold settings and environment, got ${JSON.stringify(value)?.slice(0, 60)}; restore it from a copy`,
    );
  checkSettings(value.settings, source);
  return value as RunConfig;
}
