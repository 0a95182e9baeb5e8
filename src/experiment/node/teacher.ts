/** The teacher of a run: the trained network that `--teacher` names. */

import { resolve } from "node:path";
import { ConfigError, DataError } from "../../core/errors.ts";
import type { Teaching } from "../../train/objective.ts";
import type { TeacherMemory } from "../../train/taught-batches.ts";
import { formatNetwork } from "../network-spec.ts";
import { presets } from "../presets.ts";
import { classesOf, restoreNetwork } from "../restore-network.ts";
import { configOf, type TeacherRecord } from "../run-config.ts";
import { savedSettings } from "../saved-network.ts";
import type { Settings } from "../setting-rules.ts";
import { networkOf } from "../settings.ts";
import { findCheckpoint } from "./find-checkpoint.ts";
import { TeacherCache } from "./teacher-cache.ts";

export interface Teacher {
  readonly record: TeacherRecord;
  readonly teaching: Teaching;
  /** Where `--teacher-cache` keeps what the teacher computes; undefined without it. */
  readonly memory: TeacherMemory | undefined;
}

/**
 * Loads the teacher of the settings; undefined for settings without one. The settings must name the backend that runs.
 * @throws DataError for a path without a network, ConfigError for a checkpoint without a configuration or of other classes.
 */
export async function loadTeacher(settings: Settings, classes: number): Promise<Teacher | undefined> {
  const { teacher: path, alpha = 0, temperature = 1, beta = 0, teacherCache, backend, simd } = settings;
  if (path === undefined) return undefined;
  const checkpoint = await findCheckpoint(path);
  const described = configOf(checkpoint)?.settings ?? savedSettings("train --teacher", checkpoint, {});
  if (described === undefined)
    throw new ConfigError(
      `train: --teacher must be a run, its checkpoint or a file of saveModel, got ${path}, which does not say what its network is`,
    );
  const network = networkOf({ ...presets.quick, ...described });
  const known = classesOf(checkpoint, network);
  if (known !== classes) throw new ConfigError(`train: --teacher must know the ${classes} classes of the data, got ${known} in ${path}`);
  const teacher = restoreNetwork(checkpoint, network);
  return {
    record: { network: formatNetwork(network), sha256: checkpoint.sha256 },
    teaching: { teacher, alpha, temperature, beta },
    memory:
      teacherCache === undefined
        ? undefined
        : new TeacherCache(resolve(teacherCache), checkpoint.sha256, simd === undefined ? backend : `${backend}-${simd}`),
  };
}

/** @throws DataError when a resumed run has another teacher than before. */
export function checkSameTeacher(recorded: TeacherRecord | undefined, found: TeacherRecord | undefined, source: string): void {
  if (recorded?.sha256 === found?.sha256) return;
  throw new DataError(
    `run: the teacher must be the one of ${source} (${recorded?.network}, ${recorded?.sha256.slice(0, 12)}…), ` +
      `got ${found ? `${found.network}, ${found.sha256.slice(0, 12)}…` : "none"}; name a copy of it with --teacher`,
  );
}
