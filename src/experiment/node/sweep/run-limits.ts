/** How long a run of a sweep may take, and how often it is tried. */

import { integer, number } from "../../rules.ts";

export interface RunLimits {
  /** How often a run is tried. A try that is interrupted, or whose worker is killed, does not count. Default: 2. */
  readonly tries?: number | undefined;
  /** Seconds that one try may take. The run is then stopped and saved, and the next try goes on from there. Default: no limit. */
  readonly timeLimit?: number | undefined;
}

export const limitRules = {
  tries: integer({ least: 1, most: 100 }),
  /** A timer of Node runs for at most 2³¹ − 1 milliseconds. */
  timeLimit: number({ least: 1, most: 2_000_000 }),
} as const;

export const defaultTries = 2;
