/** Gives a run more epochs: `train --resume RUN --epochs MORE`. */

import { ConfigError } from "../core/errors.ts";
import { createSchedule } from "./recipe.ts";
import type { RunConfig } from "./run-config.ts";
import type { Settings } from "./setting-rules.ts";

/**
 * The configuration of a run with another number of epochs, and a note on what that does to the schedule.
 * @param done The number of epochs that the run has finished.
 * @throws ConfigError for fewer epochs than that.
 */
export function prolong(config: RunConfig, epochs: number | undefined, done: number, onNote: (note: string) => void): RunConfig {
  const { settings } = config;
  if (epochs === undefined || epochs === settings.epochs) return config;
  if (epochs < done) throw new ConfigError(`train: --epochs must be at least the ${done} epochs that the run has finished, got ${epochs}`);
  const longer = { ...settings, epochs };
  const rate = (of: Settings): string => createSchedule(of)(done).toPrecision(3);
  const effect =
    settings.schedule === "multi-step"
      ? `the multi-step schedule keeps its milestones, ${settings.milestones?.join(", ")}`
      : `the ${settings.schedule} schedule is that of ${epochs} epochs from here on: ` +
        `the rate after epoch ${done} is ${rate(longer)} instead of ${rate(settings)}, and the schedule ends at epoch ${epochs}`;
  onNote(`the run has ${epochs} epochs now instead of ${settings.epochs}; ${effect}`);
  return { ...config, settings: longer, prolonged: [...(config.prolonged ?? []), { at: done, from: settings.epochs, to: epochs }] };
}
