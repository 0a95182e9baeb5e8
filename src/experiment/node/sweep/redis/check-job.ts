/**
 * Checks what comes out of Redis. Whoever can write to Redis can write a job, so a job is data from a stranger: it obeys the rules of the
 * command line, its name follows from its settings, and it names no program.
 */

import { basename, isAbsolute } from "node:path";
import { ConfigError, DataError } from "../../../../core/errors.ts";
import { quote } from "../../../../core/quote.ts";
import { accepted, checkSchema, dictionary, nullable, object, oneOf, only, optional, type Schema, text } from "../../../../core/schema.ts";
import { presetNames } from "../../../presets.ts";
import { loadFamilies } from "../../load-family.ts";
import { limitRules } from "../run-limits.ts";
import { networkFacts } from "../run-summary.ts";
import { isShown, summaryEntries, summarySchema } from "../sweep-results.ts";
import { checkRunOptions, createRun, type SweepRun } from "../sweep-run.ts";
import { jobIdOf, type RunJob, type SweepIdentity, type TrainedRun } from "./run-job.ts";

/** Short texts of a pattern, which a terminal shows as they are. */
const plain = (most: number, allowed: string, pattern: RegExp): Schema<string> =>
  accepted(allowed, (value) => isShown(value, most) && pattern.test(value));

const folder = accepted<string>(
  "the absolute path of a folder",
  (value) => isShown(value) && isAbsolute(value) && basename(value) !== "..",
);

const jobSchema = object({
  sweep: object({
    mark: plain(36, "a UUID", /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
    folder,
  }),
  run: object({ id: text, preset: oneOf(presetNames), explicit: dictionary(accepted("a setting", () => true)) }),
  timeLimit: optional(accepted<number>(limitRules.timeLimit.allowed, limitRules.timeLimit.accepts)),
});

const remedy = "somebody else's program may have put it into the queue; remove it there";

/** A job whose run can be trained. */
export interface CheckedJob {
  readonly sweep: SweepIdentity;
  readonly run: SweepRun;
  readonly timeLimit: number | undefined;
}

/**
 * Refuses a run that names a folder to write to. A worker writes into the folders of its sweeps alone, whatever a job says.
 * @throws ConfigError for a run with a teacher cache.
 */
export function refuseWrites({ id, settings: { teacherCache } }: SweepRun): void {
  if (teacherCache === undefined) return;
  throw new ConfigError(
    `sweep: ${id} must have no teacherCache in a queue, because workers write into the folders of the sweep alone, ` +
      `got ${quote(teacherCache)}; leave it out, or sweep without --redis`,
  );
}

/**
 * The run that a job asks for.
 * @param jobId The id under which the job lies in the queue.
 * @throws DataError, ConfigError for a job that no coordinator would have added.
 */
export async function checkJob(data: unknown, jobId: string): Promise<CheckedJob> {
  const source = `sweep: job ${quote(jobId)}`;
  const { sweep, run: given, timeLimit } = checkSchema(jobSchema, data, { source, remedy }) as RunJob;
  const { preset, explicit } = given;
  checkRunOptions(explicit);
  if (explicit.conv !== undefined) await loadFamilies(explicit.conv, { modules: "provided" });
  const run = createRun(preset, explicit);
  refuseWrites(run);
  const expected = jobIdOf(sweep, run);
  for (const [what, is, must] of [
    ["run.id", given.id, run.id],
    ["id", jobId, expected],
  ] as const)
    if (is !== must)
      throw new DataError(`${source} must have the ${what} that follows from its settings, ${must}, got ${quote(is)}; ${remedy}`);
  return { sweep, run, timeLimit };
}

/** A run on another machine. It is never a path of this machine, which a report would read. */
const elsewhere = plain(4096, "host:path", /^[^/\\:]{1,255}:./);

const trainedSchema = object({ summary: summarySchema, elsewhere: nullable(elsewhere) });

/** The result that a worker sent for a run. @throws DataError for anything else. */
export function checkTrained(value: unknown, { id, settings }: SweepRun): TrainedRun {
  const source = `sweep: the result of ${id}`;
  const trained = checkSchema(trainedSchema, value, { source, remedy: "remove its job, and run the sweep again" }) as TrainedRun;
  for (const [name, must] of Object.entries(networkFacts(settings))) {
    const is = trained.summary[name as keyof typeof trained.summary];
    if (is !== must)
      throw new DataError(`${source} must have the ${name} ${must}, got ${quote(is)}; remove its job, and run the sweep again`);
  }
  return { summary: only(trained.summary, summaryEntries), elsewhere: trained.elsewhere };
}
