/**
 * Experiments from scripts: settings and presets, training runs in folders, budgets, sweeps and the backends of Node. Runs report to
 * observers and know no terminal. The program `separable` is a user of this entry.
 */

export type { BackendOption, ComputingName } from "./experiment/backend-names.ts";
export { budgetKinds, type Solution, solveBudget } from "./experiment/budget.ts";
export { compressionRatio } from "./experiment/compression-ratio.ts";
export { countSpec, type NetworkReport } from "./experiment/count-spec.ts";
export { type DataFacts, dataFacts } from "./experiment/data-facts.ts";
export { Interruption } from "./experiment/interruption.ts";
export {
  createNetwork,
  formatNetwork,
  type Network,
  type NetworkKind,
  type NetworkSpec,
  networkKinds,
} from "./experiment/network-spec.ts";
export { findCheckpoint } from "./experiment/node/find-checkpoint.ts";
export { loadFamilyModule } from "./experiment/node/load-family.ts";
export { type ImageSettings, type Images, type LoadImagesOptions, loadImages } from "./experiment/node/load-images.ts";
export { resumeRun } from "./experiment/node/resume-run.ts";
export { type SearchRateOptions, searchRate } from "./experiment/node/search-rate.ts";
export { createSession, createTrainer, initialiseFromImages, type Session } from "./experiment/node/session.ts";
export { type BackendReport, type BackendSettings, describeBackend, startBackend, stopBackend } from "./experiment/node/start-backend.ts";
export { type InvocationOptions, type StartOptions, startRun } from "./experiment/node/start-run.ts";
export { type StepTimeOptions, stepTimes, type TimedNetwork } from "./experiment/node/step-time.ts";
export { type LocalEngineOptions, localEngine } from "./experiment/node/sweep/local-engine.ts";
export { reachRedis } from "./experiment/node/sweep/redis/connection.ts";
export type { RedisAccess } from "./experiment/node/sweep/redis/redis-access.ts";
export { redisEngine } from "./experiment/node/sweep/redis/redis-engine.ts";
export { type WorkerObserver, type WorkerOptions, workForSweeps } from "./experiment/node/sweep/redis/redis-worker.ts";
export type { RunLimits } from "./experiment/node/sweep/run-limits.ts";
export { type OpenedRun, openRun, type RunSummary, summarise } from "./experiment/node/sweep/run-summary.ts";
export {
  runSweep,
  type SweepCounts,
  type SweepEngine,
  type SweepObserver,
  type SweepOptions,
} from "./experiment/node/sweep/run-sweep.ts";
export { expandSweep, readSweep, type SweepFile } from "./experiment/node/sweep/sweep-plan.ts";
export type { SweepResult } from "./experiment/node/sweep/sweep-results.ts";
export type { SweepRun } from "./experiment/node/sweep/sweep-run.ts";
export { loadTeacher, type Teacher } from "./experiment/node/teacher.ts";
export type { StartedRun, TrainControl, TrainObserver, TrainOutcome } from "./experiment/node/train-observer.ts";
export { type UntrainedRun, writeUntrainedRun } from "./experiment/node/write-run.ts";
export { type PresetName, presetNames, presets } from "./experiment/presets.ts";
export { createOptimizer, createSchedule, dropPathSchedule, structuredDecay } from "./experiment/recipe.ts";
export { classesOf, type RestoreOptions, restoreNetwork } from "./experiment/restore-network.ts";
export { checkRunConfig, configOf, type DataFallback, type RunConfig, type TeacherRecord } from "./experiment/run-config.ts";
export { checkSettings, type SettingName, type Settings } from "./experiment/setting-rules.ts";
export { familyOptionsOf, networkOf, resolveSettings } from "./experiment/settings.ts";
