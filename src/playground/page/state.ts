/** What the page knows, and how each report of the worker changes it. */

import { DataError } from "../../core/errors.ts";
import type { BackendFacts, ImageFacts, Pictures, Report, RunFacts, Status, StepFacts, TestFacts } from "../messages.ts";
import type { PlaygroundSettings, RunName } from "../settings.ts";
import type { Snapshot } from "../snapshot.ts";

/** A change of the family between two steps. */
export interface ShownChange {
  readonly step: number;
  readonly conv: string;
  readonly relativeError: number;
}

export interface ShownRun {
  readonly facts: RunFacts;
  readonly steps: readonly StepFacts[];
  readonly tests: readonly TestFacts[];
  readonly changes: readonly ShownChange[];
}

export interface PageState {
  readonly settings: PlaygroundSettings;
  readonly status: Status;
  readonly backend: BackendFacts | undefined;
  readonly pictures: Pictures | undefined;
  /** Facts of the runs that were started; undefined before. */
  readonly images: ImageFacts | undefined;
  readonly batchesPerEpoch: number;
  readonly epochs: number;
  readonly runs: Readonly<Partial<Record<RunName, ShownRun>>>;
  readonly looked: { readonly run: RunName; readonly layer: string | undefined };
  readonly snapshot: { readonly run: RunName; readonly snapshot: Snapshot } | undefined;
  readonly drawn: Readonly<Partial<Record<RunName, readonly number[]>>>;
  readonly notice: { readonly text: string; readonly isError: boolean } | undefined;
}

export const initialState = (settings: PlaygroundSettings): PageState => ({
  settings,
  status: "idle",
  backend: undefined,
  pictures: undefined,
  images: undefined,
  batchesPerEpoch: 0,
  epochs: settings.epochs,
  runs: {},
  looked: { run: "a", layer: undefined },
  snapshot: undefined,
  drawn: {},
  notice: undefined,
});

/** Whether runs are there, so that their settings stand. */
export const isStarted = ({ status }: PageState): boolean => status !== "idle";

/** The steps of a whole run. */
export const totalSteps = ({ batchesPerEpoch, epochs }: PageState): number => batchesPerEpoch * epochs;

/** Changes a run that is there. A report on a run that was forgotten in the meantime changes nothing. */
function withRun(state: PageState, name: RunName, change: (run: ShownRun) => ShownRun): PageState {
  const run = state.runs[name];
  return run === undefined ? state : { ...state, runs: { ...state.runs, [name]: change(run) } };
}

/** The state after a report. Checkpoints are files for the visitor and change nothing. */
export function afterReport(state: PageState, report: Report): PageState {
  switch (report.kind) {
    case "status":
      if (report.status !== "idle" && report.status !== "preparing") return { ...state, status: report.status };
      return {
        ...state,
        status: report.status,
        ...{ runs: {}, images: undefined, snapshot: undefined, drawn: {}, batchesPerEpoch: 0 },
        // Notes on the new runs come before the runs are there, and failures before the page is idle again.
        notice: report.status === "preparing" ? undefined : state.notice,
      };
    case "backend":
      return { ...state, backend: report.backend };
    case "prepared":
      return {
        ...state,
        settings: report.settings,
        images: report.images,
        batchesPerEpoch: report.batchesPerEpoch,
        epochs: report.settings.epochs,
        runs: Object.fromEntries(report.runs.map((facts) => [facts.run, { facts, steps: [], tests: [], changes: [] }])),
        looked: { run: report.runs[0]!.run, layer: undefined },
      };
    case "settings":
      return { ...state, settings: report.settings };
    case "step":
      return withRun(state, report.run, (run) => ({ ...run, steps: [...run.steps, report] }));
    case "test":
      return withRun(state, report.run, (run) => ({ ...run, tests: [...run.tests, report] }));
    case "changed":
      return withRun(state, report.facts.run, ({ changes, ...run }) => ({
        ...run,
        facts: report.facts,
        changes: [...changes, { step: report.step, conv: report.facts.conv, relativeError: report.relativeError }],
      }));
    case "snapshot":
      return { ...state, snapshot: { run: report.run, snapshot: report.snapshot } };
    case "classified":
      return { ...state, drawn: Object.fromEntries(report.results.map(({ run, probabilities }) => [run, probabilities])) };
    case "note":
      return { ...state, notice: { text: report.note, isError: false } };
    case "failed":
      return { ...state, notice: { text: report.message, isError: true } };
    case "checkpoint":
      return state;
  }
}

/** Holds the state, and calls back once a frame after it has changed. */
export class Store {
  #state: PageState;
  readonly #listeners: ((state: PageState) => void)[] = [];
  #scheduled = false;

  constructor(state: PageState) {
    this.#state = state;
  }

  get state(): PageState {
    return this.#state;
  }

  update(change: (state: PageState) => PageState): void {
    this.#state = change(this.#state);
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      for (const listener of this.#listeners) listener(this.#state);
    });
  }

  /** Calls `listener` now, and after every change. */
  listen(listener: (state: PageState) => void): void {
    this.#listeners.push(listener);
    listener(this.#state);
  }

  /** Shows what went wrong. */
  fail(error: unknown): void {
    const text = error instanceof DataError || error instanceof Error ? error.message : String(error);
    this.update((state) => ({ ...state, notice: { text, isError: true } }));
  }
}
