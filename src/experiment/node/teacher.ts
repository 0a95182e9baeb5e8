/** The network that `--teacher` names, made ready to teach. */

import { ConfigError, DataError } from "../../core/errors.ts";
import { Random } from "../../core/random.ts";
import { restoreModel } from "../../train/checkpoint.ts";
import type { Teaching } from "../../train/objective.ts";
import { classesOf, configOf, findCheckpoint } from "./find-checkpoint.ts";
import { createNetwork, formatNetwork } from "../network-spec.ts";
import { networkOf, type Settings } from "../settings.ts";

/** Who taught: what a run's configuration keeps, so that a resumed run cannot go on with another. */
export interface TeacherRecord {
  readonly network: string;
  readonly sha256: string;
}

export interface Teacher {
  readonly record: TeacherRecord;
  readonly teaching: Teaching;
}

/**
 * Loads the settings' teacher, if they have one.
 * @throws DataError for a path without a network, ConfigError for one that says nothing of its network or knows other classes.
 */
export async function loadTeacher(settings: Settings, classes: number): Promise<Teacher | undefined> {
  const { teacher: path, alpha = 0, temperature = 1, beta = 0 } = settings;
  if (path === undefined) return undefined;
  const checkpoint = await findCheckpoint(path);
  const config = configOf(checkpoint);
  if (config === undefined)
    throw new ConfigError(`train: --teacher must be a run or its checkpoint, got ${path}, which says nothing of its network`);
  const known = classesOf(checkpoint);
  if (known !== classes) throw new ConfigError(`train: --teacher must know the ${classes} classes of the data, got ${known} in ${path}`);
  const network = networkOf(config.settings);
  // Its numbers are overwritten, so the initialisation that decomposes nothing.
  const teacher = createNetwork(network, known, { random: new Random(0) }, { init: "variance-preserving" });
  restoreModel(teacher, checkpoint);
  return {
    record: { network: formatNetwork(network), sha256: checkpoint.sha256 },
    teaching: { teacher, alpha, temperature, beta },
  };
}

/** @throws DataError when a run would go on with another teacher than it began with. */
export function checkSameTeacher(recorded: TeacherRecord | undefined, found: TeacherRecord | undefined, source: string): void {
  if (recorded?.sha256 === found?.sha256) return;
  throw new DataError(
    `run: the teacher must be the one of ${source} (${recorded?.network}, ${recorded?.sha256.slice(0, 12)}…), ` +
      `got ${found ? `${found.network}, ${found.sha256.slice(0, 12)}…` : "none"}; name a copy of it with --teacher`,
  );
}
