/** The worker's side of the playground, without a page: what it answers, and that runs repeat themselves bit for bit. */

import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { disposeBackend, initBackend } from "../../src/backend/active.ts";
import type { AutoDevice } from "../../src/backend/auto/devices.ts";
import type { AdapterReport } from "../../src/backend/gpu/adapter.ts";
import { createWasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { BackendError } from "../../src/core/errors.ts";
import { loadImages } from "../../src/experiment/node/load-images.ts";
import { createSession } from "../../src/experiment/node/session.ts";
import { restoreNetwork } from "../../src/experiment/restore-network.ts";
import { checkRunConfig } from "../../src/experiment/run-config.ts";
import { networkOf } from "../../src/experiment/settings.ts";
import type { Report, Request } from "../../src/playground/messages.ts";
import { formatLink, parseLink } from "../../src/playground/permalink.ts";
import { type PlaygroundSettings, settingsOfRun } from "../../src/playground/settings.ts";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";
import { evaluate } from "../../src/train/evaluate.ts";
import { trainEpochs } from "../../src/train/train-epochs.ts";
import { Collected, tinySettings } from "./collect.ts";

afterAll(() => disposeBackend());

const start: Request = { kind: "start", settings: tinySettings };

describe("a session", () => {
  test("computes the losses and the accuracies of the command line's run of the same settings", async () => {
    const collected = await new Collected().send(start);
    await initBackend(["wasm"], { threads: 1, simd: "baseline" });
    for (const [run, conv] of [
      ["a", tinySettings.a],
      ["b", tinySettings.b],
    ] as const) {
      const settings = settingsOfRun(tinySettings, conv);
      const { dataset } = await loadImages(settings);
      const { trainer, trainBatches, testBatches } = createSession(settings, dataset, undefined, () => {});
      const losses: number[] = [];
      const accuracies: number[] = [];
      await trainEpochs(trainer, {
        ...{ epochs: settings.epochs, trainBatches, testBatches, classes: 10 },
        onStep: ({ loss }) => void losses.push(loss),
        onEpoch: ({ testAccuracy }) => void accuracies.push(testAccuracy!),
      });
      expect(collected.losses(run)).toEqual(losses);
      expect(losses).toHaveLength(4);
      expect(collected.of("test").flatMap((report) => (report.run === run && report.step % 2 === 0 ? [report.accuracy] : []))).toEqual(
        accuracies,
      );
    }
  });

  test("gives the same bits whatever the visitor looks at, and however often they pause", async () => {
    const calm = await new Collected().send(start);
    const restless = new Collected(({ kind }, session) => {
      if (kind !== "step") return;
      void session.receive({ kind: "look", run: "b", layer: "block1.0.layer.0.conv1" });
      void session.receive({ kind: "pause" });
      void session.receive({ kind: "step" });
      void session.receive({ kind: "classify", image: new Uint8Array(3072) });
      void session.receive({ kind: "resume" });
    });
    await restless.send(start);
    expect([restless.losses("a"), restless.losses("b")]).toEqual([calm.losses("a"), calm.losses("b")]);
  });

  test("replays a run whose family was changed midway, from its link", async () => {
    const changed = new Collected((report, session) => {
      if (report.kind === "step" && report.run === "b" && report.step === 2)
        void session.receive({ kind: "change-family", run: "a", conv: "TensorTrain_0.5" });
    });
    await changed.send(start);
    const [change] = changed.of("changed");
    expect(change).toMatchObject({ step: 2, facts: { run: "a", conv: "TensorTrain_0.5" } });
    expect(change!.relativeError).toBeGreaterThan(0);
    const shown = changed.of("settings").at(-1)!.settings;
    const replayed = await new Collected().send({ kind: "start", settings: parseLink(formatLink(shown)) });
    expect([replayed.losses("a"), replayed.losses("b")]).toEqual([changed.losses("a"), changed.losses("b")]);
    // The change has an effect on the losses that follow it.
    const calm = await new Collected().send(start);
    expect(calm.losses("a").slice(0, 2)).toEqual(changed.losses("a").slice(0, 2));
    expect(calm.losses("a").slice(2)).not.toEqual(changed.losses("a").slice(2));
  });

  test("saves a checkpoint that has the accuracy of the run, and goes on from it bit for bit", async () => {
    const whole = await new Collected().send(start);
    const half = new Collected((report, session) => {
      if (report.kind !== "step" || report.run !== "b" || report.step !== 2) return;
      void session.receive({ kind: "pause" });
      void session.receive({ kind: "save", run: "b" });
    });
    await half.send(start);
    const { name, bytes } = half.of("checkpoint")[0]!;
    expect(name).toBe("wrn-10-1-Monarch_4-step-2.safetensors");
    const opened = await new Collected().send({ kind: "open", name, bytes });
    expect(opened.losses("a")).toEqual(whole.losses("b").slice(2));

    const checkpoint = await decodeCheckpoint(bytes, name);
    const { settings } = checkRunConfig(checkpoint.config, name);
    await initBackend(["wasm"], { threads: 1, simd: "baseline" });
    const { dataset } = await loadImages(settings);
    const { testBatches } = createSession(settings, dataset, undefined, () => {});
    const network = restoreNetwork(checkpoint, networkOf(settings));
    const evaluation = await evaluate(network, testBatches(), { imageShape: [3, 32, 32], classes: 10 });
    const tested = half.of("test").find(({ run, step }) => run === "b" && step === 2)!;
    expect(evaluation).toMatchObject({ accuracy: tested.accuracy, confusion: tested.confusion });
  });

  test("reports the probabilities of both runs for an image", async () => {
    const collected = await new Collected().send(start, { kind: "classify", image: new Uint8Array(3072).fill(200) });
    const { results } = collected.of("classified")[0]!;
    expect(results.map(({ run }) => run)).toEqual(["a", "b"]);
    for (const { probabilities } of results) {
      expect(probabilities).toHaveLength(10);
      expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
    }
  });
});

describe("the backend of a session", () => {
  const adapter: AdapterReport = { name: "a device", software: true, maximumBytes: 2 ** 30 };
  /** wasm in the place of a device, after `accept` has seen the adapter. */
  const open: AutoDevice["open"] = async (accept) => {
    accept(adapter);
    return Object.assign(await createWasmBackend({ threads: 1, simd: "baseline" }), { adapter });
  };
  const closed: AutoDevice["open"] = () => Promise.reject(new BackendError("webgpu: no adapter"));
  const brief = { ...tinySettings, b: "none", epochs: 1 };
  const startOn = async (backend: PlaygroundSettings["backend"], loadDevices: () => Promise<readonly AutoDevice[]>): Promise<Collected> =>
    new Collected(({ kind }, session) => void (kind === "step" && session.receive({ kind: "pause" })), { loadDevices }).send({
      kind: "start",
      settings: { ...brief, backend },
    });

  test("is the device that a visitor names, and the report has its adapter", async () => {
    const collected = await startOn("webgl2", async () => [
      { name: "webgpu", open: closed },
      { name: "webgl2", open },
    ]);
    expect(collected.of("failed")).toEqual([]);
    expect(collected.of("backend")[0]!.backend).toMatchObject({ name: "webgl2", adapter: { name: "a device", software: true } });
    expect(collected.of("note")).toEqual([]);
    expect(collected.losses("a")).toHaveLength(1);
  });

  test("is wasm where the device does not run, and a note says why", async () => {
    const collected = await startOn("webgpu", async () => [
      { name: "webgpu", open: closed },
      { name: "webgl2", open },
    ]);
    expect(collected.of("backend")[0]!.backend).toMatchObject({ name: "wasm", adapter: undefined });
    expect(collected.of("note")[0]!.note).toBe("wasm computes, because webgpu does not run here: webgpu: no adapter.");
  });

  test("is wasm for auto where all devices are software, and no device is loaded for wasm", async () => {
    const collected = await startOn("auto", async () => [{ name: "webgl2", open }]);
    expect(collected.of("note")[0]!.note).toMatch(/^auto takes wasm: no GPU: only a software adapter, a device/);
    const onCpu = await startOn("wasm", () => Promise.reject(new Error("must not be loaded")));
    expect(onCpu.of("failed")).toEqual([]);
    expect(onCpu.of("backend")[0]!.backend.name).toBe("wasm");
    expect(onCpu.of("note")).toEqual([]);
  });
});

/** The status that a report leaves behind. */
const statusAfter = (reports: readonly Report[]): string =>
  reports.reduce((status, report) => (report.kind === "status" ? report.status : status), "idle");

const anyRequest: fc.Arbitrary<Request> = fc.oneof(
  fc.constantFrom<Request>(
    { kind: "start", settings: { ...tinySettings, epochs: 1, train: 48 } },
    { kind: "start", settings: { ...tinySettings, b: "none", a: "Nonsense" } },
    { kind: "start", settings: { ...tinySettings, depth: 11 } },
    { kind: "start", settings: { ...tinySettings, data: "pictures" } },
    { kind: "pause" },
    { kind: "resume" },
    { kind: "step" },
    { kind: "reset" },
    { kind: "look", run: "b", layer: "block2.0.layer.0.conv1" },
    { kind: "look", run: "a", layer: "no such layer" },
    { kind: "change-family", run: "b", conv: "Hashed_0.1" },
    { kind: "change-family", run: "b", conv: "Sep" },
    { kind: "change-family", run: "a", conv: "Nonsense" },
    { kind: "classify", image: new Uint8Array(3072) },
    { kind: "classify", image: new Uint8Array(7) },
    { kind: "save", run: "a" },
    { kind: "save", run: "b" },
    { kind: "open", name: "x", bytes: new Uint8Array(20) },
  ),
);

/** The report that answers a request, where it is not refused. Requests that are missing here have no answer of their own. */
const answers: Partial<Record<Request["kind"], Report["kind"]>> = {
  classify: "classified",
  save: "checkpoint",
  "change-family": "changed",
  open: "prepared",
  start: "prepared",
};

describe("the protocol", () => {
  test("every request is answered or refused, the status follows, and steps count up from 1", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRequest, { minLength: 1, maxLength: 7 }), async (requests) => {
        const collected = new Collected();
        for (const request of requests) {
          const before = collected.reports.length;
          const had = statusAfter(collected.reports);
          await collected.send(request);
          const reports = collected.reports.slice(before);
          const refused = reports.filter((report) => report.kind === "failed" && report.during === request.kind);
          const answered = reports.filter(({ kind }) => kind === answers[request.kind]);
          expect(refused.length).toBeLessThanOrEqual(1);
          if (answers[request.kind] !== undefined) expect(answered.length > 0).toBe(refused.length === 0);
          if ((request.kind === "resume" || request.kind === "step") && had !== "paused") expect(refused).toHaveLength(1);
          if (request.kind === "reset") expect(statusAfter(collected.reports)).toBe("idle");
          // A session that rests trains no more.
          expect(["idle", "paused", "finished"]).toContain(statusAfter(collected.reports));
          expect(statusAfter(collected.reports)).toBe(collected.session.status);
        }
        let last = { a: 0, b: 0 };
        for (const report of collected.reports) {
          if (report.kind === "prepared" || (report.kind === "status" && report.status === "idle")) last = { a: 0, b: 0 };
          if (report.kind === "step") expect(report.step).toBe(++last[report.run]);
        }
      }),
      { numRuns: 12 },
    );
  });
});
