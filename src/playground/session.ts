/**
 * The worker's side of the playground. Requests come in at any time; the session answers each one between two steps, in the order in which
 * they came. The two runs train by turns, so each has the whole machine for its step. No number of a run depends on a clock or on what the
 * visitor looks at.
 */

import { type BackendRequest, disposeBackend, initBackend, kernels } from "../backend/active.ts";
import { type AutoDevice, provideDevices } from "../backend/auto/devices.ts";
import { ConfigError, DataError, SeparableError } from "../core/errors.ts";
import { createAugmenter } from "../data/augment.ts";
import { cifarImage } from "../data/cifar-format.ts";
import type { ImageDataset } from "../data/dataset.ts";
import type { ComputingName } from "../experiment/backend-names.ts";
import { recordOf } from "../experiment/data-facts.ts";
import { formatNetwork } from "../experiment/network-spec.ts";
import { configOf, type RunConfig } from "../experiment/run-config.ts";
import { tensor } from "../ops/creation.ts";
import { softmax } from "../ops/softmax.ts";
import { detach, noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../train/checkpoint.ts";
import { type ImageSources, loadImages, samplesOf } from "./images.ts";
import type { BackendFacts, Pictures, Report, Request, Status } from "./messages.ts";
import { chosenOf } from "./opened-settings.ts";
import { Run } from "./run.ts";
import { checkChoices, type FamilyChange, type PlaygroundSettings, type RunName, runsOf, settingsOfRun } from "./settings.ts";
import { takeSnapshot, usualLayer } from "./snapshot.ts";

export interface SessionOptions {
  /** The version of the package, which checkpoints record. */
  readonly version: string;
  readonly post: (report: Report) => void;
  readonly fetchCifar: ImageSources["fetchCifar"];
  /** The graphics devices. It is called only for a visitor who asks for one. Default: there are none. */
  readonly loadDevices?: () => Promise<readonly AutoDevice[]>;
}

/** A run is tested this many times in an epoch. */
const testsPerEpoch = 4;
/** Snapshots take at most one part in this many of the time. They change no number of a run. */
const snapshotShare = 10;
/** The least time between two snapshots, in milliseconds. */
const snapshotPause = 700;
/** Images of each class that the page shows. */
const samples = 4;

/** Lets the event loop turn, so that messages arrive. A timer would wait at least 4 ms. */
const breathe = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });

export class Session {
  readonly #options: SessionOptions;
  readonly #queue: Request[] = [];
  #status: Status = "idle";
  #busy = false;
  #runs: Run[] = [];
  #settings: PlaygroundSettings | undefined;
  #pictures: Pictures | undefined;
  #looked: { readonly run: RunName; readonly layer: string | undefined } = { run: "a", layer: undefined };
  #nextSnapshot = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get status(): Status {
    return this.#status;
  }

  /** Answers a request, soon. The promise resolves when nothing is left to do until the next request. */
  async receive(request: Request): Promise<void> {
    this.#queue.push(request);
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#queue.length > 0 || this.#status === "running") {
        const next = this.#queue.shift();
        if (next !== undefined) await this.#attempt(next.kind, () => this.#answer(next));
        else await this.#attempt("training", () => this.#turn());
        await breathe();
      }
    } finally {
      this.#busy = false;
    }
  }

  #post(report: Report): void {
    this.#options.post(report);
  }

  #become(status: Status): void {
    this.#status = status;
    this.#post({ kind: "status", status });
  }

  /** Does something, and reports its failure. Runs that broke while training stand still. */
  async #attempt(during: Request["kind"] | "training", work: () => Promise<void> | void): Promise<void> {
    try {
      await work();
    } catch (error) {
      const known = error instanceof SeparableError;
      this.#post({ kind: "failed", during, message: known ? error.message : `a fault of the playground: ${String(error)}` });
      if (during === "training") this.#become("paused");
      else if (this.#status === "preparing") this.#forget();
    }
  }

  async #answer(request: Request): Promise<void> {
    switch (request.kind) {
      case "start":
        return this.#start(checkChoices(request.settings), request.pictures);
      case "pause":
        if (this.#status === "running") this.#become("paused");
        return;
      case "resume":
        this.#require("paused", "resume");
        return this.#become("running");
      case "step":
        this.#require("paused", "step");
        await this.#turn();
        return;
      case "reset":
        return this.#forget();
      case "change-family":
        return this.#changeFamily({ run: request.run, step: this.#run(request.run).steps, conv: request.conv }, true);
      case "look":
        this.#looked = { run: request.run, layer: request.layer };
        return this.#look();
      case "classify":
        return this.#classify(request.image);
      case "save":
        return this.#save(this.#run(request.run));
      case "open":
        return this.#open(request.name, request.bytes, request.pictures);
    }
  }

  #require(status: Status, request: Request["kind"]): void {
    if (this.#status !== status) throw new ConfigError(`${request}: needs runs that are ${status}, got ${this.#status}; start runs first`);
  }

  #run(name: RunName): Run {
    const run = this.#runs.find((candidate) => candidate.name === name);
    if (run === undefined) throw new ConfigError(`run ${name}: must have been started, got none; start it first`);
    return run;
  }

  #forget(): void {
    this.#runs = [];
    this.#settings = undefined;
    disposeBackend();
    this.#become("idle");
  }

  async #start(settings: PlaygroundSettings, pictures: Pictures | undefined): Promise<void> {
    const dataset = await this.#prepare(settings, pictures);
    for (const [name, conv] of runsOf(settings)) this.#runs.push(await Run.create(name, runSettings(settings, conv, dataset), dataset));
    await this.#begin(dataset);
  }

  /** Starts the backend and loads the images. The runs before are forgotten, with all of their memory. */
  async #prepare(settings: PlaygroundSettings, pictures: Pictures | undefined): Promise<ImageDataset> {
    this.#runs = [];
    this.#become("preparing");
    this.#pictures = pictures ?? this.#pictures;
    const backend = await this.#startBackend(settings);
    const { threads, simd } = backend;
    this.#settings = { ...settings, threads: threads ?? 1, simd: simd === "baseline" || simd === "relaxed" ? simd : "auto" };
    const { fetchCifar } = this.#options;
    return loadImages(settings, { fetchCifar, pictures: this.#pictures, breathe });
  }

  /** Shows the new runs, and trains them. */
  async #begin(dataset: ImageDataset): Promise<void> {
    this.#looked = { run: this.#runs[0]!.name, layer: undefined };
    this.#post({
      kind: "prepared",
      settings: this.#settings!,
      images: {
        classes: dataset.classes,
        counts: { train: dataset.train.count, test: dataset.test.count },
        samples: samplesOf(dataset, samples),
      },
      runs: this.#runs.map((run) => run.facts()),
      batchesPerEpoch: this.#runs[0]!.trainer.batchesPerEpoch,
    });
    await this.#look();
    this.#become(this.#runs.every((run) => run.finished) ? "finished" : "running");
  }

  /** The backend that the settings ask for. What this machine cannot do is replaced, and a note says so. */
  async #startBackend({ backend, threads, simd }: PlaygroundSettings): Promise<BackendFacts> {
    disposeBackend();
    const isolated = globalThis.crossOriginIsolated !== false;
    const wanted = threads > 1 && !isolated ? 1 : threads;
    const choice = await initBackend(await this.#backendsOf(backend), {
      ...(wanted > 0 ? { threads: wanted } : {}),
      ...(simd === "auto" ? {} : { simd }),
    });
    const { name, passedOver } = choice;
    const { simd: build, adapter } = kernels() as ReturnType<typeof kernels> & Partial<Pick<BackendFacts, "simd" | "adapter">>;
    const facts: BackendFacts = {
      ...{ name, threads: choice.threads, simd: build, adapter },
      notes: [...(choice.note === undefined ? [] : [choice.note]), ...passedOver.map((other) => `${other.name}: ${other.reason}`)],
    };
    this.#post({ kind: "backend", backend: facts });
    const replaced = passedOver.find((other) => other.name === backend);
    const notes = [
      ...(wanted === threads ? [] : [`The link asks for ${threads} threads, and this page has one: the last digits may differ.`]),
      ...(replaced === undefined ? [] : [`${name} computes, because ${backend} does not run here: ${replaced.reason}.`]),
      ...(backend === "auto" ? [`auto takes ${name}: ${choice.reason}.`] : []),
    ];
    if (notes.length > 0) this.#post({ kind: "note", note: notes.join(" ") });
    return facts;
  }

  /** The backends that a choice stands for, in order of preference. */
  async #backendsOf(backend: PlaygroundSettings["backend"]): Promise<readonly BackendRequest[]> {
    if (backend === "wasm") return ["wasm", "reference"];
    const devices = (await this.#options.loadDevices?.()) ?? [];
    provideDevices(devices);
    if (backend === "auto") return ["auto"];
    const chosen = devices.filter(({ name }) => name === backend);
    return [...chosen.map(({ name, open }) => ({ name, create: () => open(() => {}) })), "wasm", "reference"];
  }

  /** One step of each run that is not finished, with the tests and changes that are due. */
  async #turn(): Promise<void> {
    for (const run of this.#runs) {
      if (run.finished) continue;
      for (const change of this.#settings!.changes)
        if (change.run === run.name && change.step === run.steps && change.conv !== run.settings.conv)
          await this.#changeFamily(change, false);
      this.#post({ kind: "step", ...(await run.step()) });
      if (isTestDue(run)) this.#post({ kind: "test", ...(await run.test(breathe)) });
    }
    const finished = this.#runs.every((run) => run.finished);
    if (finished || performance.now() >= this.#nextSnapshot) await this.#look();
    if (finished) this.#become("finished");
  }

  /** @param isNew Whether the visitor asks for the change now. Otherwise it stands in the settings. */
  async #changeFamily(change: FamilyChange, isNew: boolean): Promise<void> {
    const run = this.#run(change.run);
    if (isNew && change.step === 0)
      throw new ConfigError("change-family: needs a step to have been made, got none; choose the family instead");
    const relativeError = await run.changeFamily(change.conv);
    if (isNew) {
      const others = this.#settings!.changes.filter(({ run, step }) => run !== change.run || step < change.step);
      this.#settings = { ...this.#settings!, changes: [...others, change] };
      this.#post({ kind: "settings", settings: this.#settings });
    }
    if (this.#looked.run === run.name) this.#looked = { run: run.name, layer: undefined };
    this.#post({ kind: "changed", facts: run.facts(), step: run.steps, relativeError });
    if (isNew) await this.#look();
  }

  /** Takes a snapshot of what the visitor looks at. */
  async #look(): Promise<void> {
    const run = this.#runs.find(({ name }) => name === this.#looked.run);
    if (run === undefined) return;
    const start = performance.now();
    const snapshot = await takeSnapshot(run.model, run.dataset, this.#looked.layer ?? usualLayer(run.model));
    this.#post({ kind: "snapshot", run: run.name, snapshot });
    const taken = performance.now() - start;
    this.#nextSnapshot = performance.now() + Math.max(snapshotPause, snapshotShare * taken);
  }

  async #classify(image: Uint8Array): Promise<void> {
    if (image.length !== cifarImage.bytes)
      throw new DataError(`classify: the image must be [3,32,32], got ${image.length} numbers; scale it first`);
    const results = [];
    for (const { name, model, dataset } of this.#runs) {
      const { table, channels, height, width } = createAugmenter(dataset);
      const plane = height * width;
      const pixels = Float32Array.from(image, (byte, i) => table[Math.floor(i / plane) * 256 + byte]!);
      const p = scope(() =>
        noGrad(() => detach(softmax(model.forward(tensor(pixels, { shape: [1, channels, height, width] }), { training: false })))),
      );
      results.push({ run: name, probabilities: Array.from(await p.data(), Number) });
      p.dispose();
    }
    this.#post({ kind: "classified", results });
  }

  async #save(run: Run): Promise<void> {
    const { dataset, settings } = run;
    const { name, threads } = kernels();
    const { simd } = this.#settings!;
    const backend = { name: name as ComputingName, threads, ...(simd === "auto" ? {} : { simd }) };
    const config: RunConfig = {
      separable: this.#options.version,
      preset: "quick",
      settings: { ...settings, backend: backend.name, threads: name === "wasm" ? threads : undefined, simd: backend.simd },
      ...recordOf({ ...dataset, size: dataset.height, resize: dataset.height }),
      environment: { node: "none", platform: "browser", backend },
    };
    const bytes = await encodeCheckpoint(run.trainer, config);
    this.#post({ kind: "checkpoint", run: run.name, name: `${formatNetwork(run.spec)}-step-${run.steps}.safetensors`, bytes });
  }

  /** Goes on with a run of the playground or of the command line. @throws DataError for a file that is none. */
  async #open(name: string, bytes: Uint8Array, pictures: Pictures | undefined): Promise<void> {
    const checkpoint = await decodeCheckpoint(bytes, name);
    const config = configOf(checkpoint);
    if (config === undefined || checkpoint.training === undefined)
      throw new DataError(`open: ${name} must hold the state of a training run, got a network only; save it with train or here`);
    const settings = chosenOf(config, name);
    const dataset = await this.#prepare(settings, pictures);
    this.#runs.push(await Run.create("a", { ...config.settings, teacher: undefined }, dataset, checkpoint));
    await this.#begin(dataset);
  }
}

/** The settings of a run on images of which not all may be there. */
function runSettings(settings: PlaygroundSettings, conv: string, { train }: ImageDataset) {
  const run = settingsOfRun(settings, conv);
  return { ...run, dropLast: train.count >= run.batchSize };
}

/** Whether a run is tested after its last step: at each quarter of an epoch. */
function isTestDue({ trainer, epochDone }: Run): boolean {
  const { step } = trainer.progress;
  const part = Math.max(1, Math.ceil(trainer.batchesPerEpoch / testsPerEpoch));
  return epochDone || step % part === 0;
}
