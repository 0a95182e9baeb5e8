/** `"auto"` on machines that are made up, and in `initBackend`. */

import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { disposeBackend, initBackend, kernels } from "../../../src/backend/active.ts";
import { type AutoCandidates, auto } from "../../../src/backend/auto/auto.ts";
import { provideDevices, providedDevices } from "../../../src/backend/auto/devices.ts";
import type { WasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";
import { BackendError, ConfigError } from "../../../src/core/errors.ts";
import { type Answer, clock, Ledger, type Time } from "./imagined.ts";

interface World {
  readonly webgpu: Answer;
  readonly webgl2: Answer;
  /** False where a page or an engine forbids WebAssembly. */
  readonly wasm: boolean;
  readonly last: boolean;
  readonly deviceTime: Time;
  readonly wasmTime: Time;
}

const everything: World = { webgpu: "hardware", webgl2: "hardware", wasm: true, last: true, deviceTime: 5, wasmTime: 20 };

function imagine({ webgpu, webgl2, wasm, last, deviceTime, wasmTime }: World): { candidates: AutoCandidates; ledger: Ledger } {
  const ledger = new Ledger();
  const create = async () => {
    if (!wasm) throw new BackendError("wasm: no WebAssembly; use reference");
    return ledger.backend("wasm");
  };
  const reference = { name: "reference", create: async () => ledger.backend("reference") };
  const candidates: AutoCandidates = {
    devices: [ledger.device("webgpu", webgpu), ledger.device("webgl2", webgl2)],
    wasm: { name: "wasm", create },
    ...(last ? { last: reference } : {}),
    time: clock({ webgpu: deviceTime, webgl2: deviceTime, wasm: wasmTime }),
  };
  return { candidates, ledger };
}

const answer = fc.constantFrom<Answer>("hardware", "software", undefined, new Error("segfault\n at dawn"));
const time = fc.oneof(fc.double({ min: 0.1, max: 100, noNaN: true }), fc.constant(new BackendError("out of memory; use less")));
const worlds: fc.Arbitrary<World> = fc.record({
  webgpu: answer,
  webgl2: answer,
  wasm: fc.boolean(),
  last: fc.boolean(),
  deviceTime: time,
  wasmTime: time,
});

/** The backend that is right for a world. */
function rightFor({ webgpu, webgl2, wasm, last, deviceTime, wasmTime }: World): string | undefined {
  const device = webgpu === "hardware" ? "webgpu" : webgl2 === "hardware" ? "webgl2" : undefined;
  if (device === undefined) return wasm ? "wasm" : last ? "reference" : undefined;
  if (!wasm || wasmTime instanceof Error) return !wasm || !(deviceTime instanceof Error) ? device : "wasm";
  return !(deviceTime instanceof Error) && deviceTime < wasmTime ? device : "wasm";
}

describe("the choice", () => {
  test("is the faster of the first hardware device and wasm, and all other backends are disposed of", () =>
    fc.assert(
      fc.asyncProperty(worlds, async (world) => {
        const { candidates, ledger } = imagine(world);
        const { taken, passedOver } = await auto(candidates).choose({});
        const right = rightFor(world);
        expect(taken?.name).toBe(right);
        expect(taken?.backend.name).toBe(right);
        expect([...ledger.open]).toEqual(right === undefined ? [] : [right]);
        expect(passedOver.map(({ name }) => name)).not.toContain(right);
        if (taken !== undefined) expect(taken.report?.reason).toMatch(/^[^\n;]+$/);
      }),
    ));

  test("is never a software adapter, whatever the clock would say", async () => {
    for (const wasm of [true, false]) {
      const { candidates } = imagine({ ...everything, webgpu: "software", webgl2: "software", wasm, deviceTime: 0.001, wasmTime: 1000 });
      const { taken } = await auto(candidates).choose({});
      expect(taken?.name).toBe(wasm ? "wasm" : "reference");
      expect(taken?.report?.calibration).toBeUndefined();
    }
  });

  test("reports the figures, the reason, and why the others were passed over", async () => {
    const { candidates } = imagine({ ...everything, webgpu: "software" });
    expect(await auto(candidates).choose({})).toMatchObject({
      passedOver: [
        { name: "webgpu", reason: "only a software adapter, SwiftShader" },
        { name: "wasm", reason: "20 ms in the calibration" },
      ],
      taken: {
        name: "webgl2",
        report: {
          reason: "5.0 ms in the calibration, wasm 20 ms",
          calibration: [
            { name: "webgl2", milliseconds: 5 },
            { name: "wasm", milliseconds: 20 },
          ],
        },
      },
    });
  });

  test.each<[string, Partial<World>, string, string]>([
    ["no adapter", { webgpu: undefined, webgl2: "software" }, "wasm", "no GPU: webgpu: an adapter must answer, none did, only a software"],
    ["a lost device", { deviceTime: new Error("lost; try") }, "wasm", "Radeon X failed in the calibration: lost"],
    ["wasm in too little memory", { wasmTime: new Error("memory") }, "webgpu", "wasm failed in the calibration: memory"],
    ["a device and no wasm", { wasm: false }, "webgpu", "wasm cannot run here: wasm: no WebAssembly"],
    [
      "neither a device nor wasm",
      { webgpu: "software", webgl2: "software", wasm: false },
      "reference",
      "wasm cannot run here: wasm: no WebAssembly, no GPU: only a software adapter, SwiftShader",
    ],
  ])("on a machine with %s says so", async (_, world, name, reason) => {
    const { taken } = await auto(imagine({ ...everything, ...world }).candidates).choose({});
    expect(taken?.name).toBe(name);
    expect(taken?.report?.reason.slice(0, reason.length)).toBe(reason);
  });

  test("lists a candidate without figure in no calibration", async () => {
    const { taken } = await auto(imagine({ ...everything, deviceTime: new Error("lost") }).candidates).choose({});
    expect(taken?.report?.calibration).toEqual([{ name: "wasm", milliseconds: 20 }]);
  });

  test("the device is told the time that it must beat, and wasm is not", async () => {
    const seen: unknown[] = [];
    const { candidates } = imagine(everything);
    const time: AutoCandidates["time"] = async ({ name }, { best }) => {
      seen.push([name, best]);
      return 7;
    };
    await auto({ ...candidates, time }).choose({});
    expect(seen).toEqual([
      ["wasm", undefined],
      ["webgpu", 7],
    ]);
  });

  test("options out of range end it before a device is open", async () => {
    const { candidates, ledger } = imagine(everything);
    const create = () => Promise.reject(new ConfigError("wasm: threads must be from 1 to 64, got 0"));
    await expect(auto({ ...candidates, wasm: { name: "wasm", create } }).choose({ threads: 0 })).rejects.toThrow(ConfigError);
    expect(ledger.made).toBe(0);
  });
});

describe("in a list of initBackend", () => {
  const before = providedDevices();
  afterEach(() => {
    disposeBackend();
    provideDevices(before);
  });

  test("without separable/gpu it is wasm, and says what to import", async () => {
    provideDevices([]);
    const choice = await initBackend(["auto"], { threads: 1 });
    expect(choice).toEqual({
      name: "wasm",
      threads: 1,
      passedOver: [{ name: "gpu", reason: 'separable/gpu is not imported; import that entry to let "auto" try GPUs' }],
      reason: "no GPU: separable/gpu is not imported",
    });
    expect(kernels().name).toBe("wasm");
  });

  test("the import of separable/gpu provides WebGPU, and headless-gl in Node", async () => {
    provideDevices([]);
    await import("../../../src/gpu.ts");
    const devices = providedDevices();
    expect(devices.map(({ name }) => name)).toEqual(["webgpu", "headlessgl"]);
    const opened = devices[0]!.open(() => {});
    await expect(opened).rejects.toThrow(/^webgpu: needs navigator\.gpu, which is missing; in Node, call provideWebGpu\(\)/);
  });

  test("the same list gives the same backend, also side by side, and another list frees it", async () => {
    const ledger = new Ledger();
    provideDevices([ledger.device("webgpu", "software")]);
    const [first, again] = await Promise.all([initBackend(["auto"], { threads: 2 }), initBackend(["auto"], { threads: 2 })]);
    const backend = kernels() as WasmBackend;
    expect(again).toBe(first);
    expect(first.reason).toBe("no GPU: only a software adapter, SwiftShader");
    expect(await initBackend(["auto"], { threads: 2 })).toBe(first);
    expect(kernels()).toBe(backend);
    await initBackend(["auto", "reference"], { threads: 2 });
    expect(backend.disposed).toBe(true);
    expect(ledger.made).toBe(0);
  });

  test("a device that was provided since is a reason to choose again", async () => {
    provideDevices([]);
    await initBackend(["auto"], { threads: 1 });
    const backend = kernels();
    provideDevices([new Ledger().device("webgpu", "software")]);
    await initBackend(["auto"], { threads: 1 });
    expect(kernels()).not.toBe(backend);
  });

  test("the loser of the calibration is freed: the threads of wasm, or the device", async () => {
    for (const wins of ["webgpu", "wasm"]) {
      const ledger = new Ledger();
      const threads: WasmBackend[] = [];
      const { createWasmBackend } = await import("../../../src/backend/wasm/wasm-backend.ts");
      const create = async () => {
        threads.push(await createWasmBackend({ threads: 2 }));
        return threads[0]!;
      };
      const time = clock({ webgpu: wins === "webgpu" ? 1 : 3, wasm: 2 });
      const choice = await initBackend([auto({ devices: [ledger.device("webgpu", "hardware")], wasm: { name: "wasm", create }, time })]);
      expect(choice).toMatchObject({ name: wins, calibration: [{ name: "webgpu" }, { name: "wasm", milliseconds: 2 }] });
      expect(threads.map(({ disposed }) => disposed)).toEqual([wins === "webgpu"]);
      expect([...ledger.open]).toEqual(wins === "webgpu" ? ["webgpu"] : []);
      disposeBackend();
      expect(threads[0]!.disposed).toBe(true);
      expect([...ledger.open]).toEqual([]);
    }
  });

  test("what the calibration held does not count as the peak of the program", async () => {
    const ledger = new Ledger();
    const backend = ledger.backend("wasm");
    const time: AutoCandidates["time"] = async (kernels) => {
      kernels.full("float32", 1000, 0).release();
      return 1;
    };
    const devices = [ledger.device("webgpu", "hardware")];
    await initBackend([auto({ devices, wasm: { name: "wasm", create: async () => backend }, time })]);
    expect(kernels().memory().peak).toBe(0);
  });

  test("a list whose candidates all fail names each, and leaves the active backend as it is", async () => {
    await initBackend(["reference"]);
    const backend = kernels();
    const { candidates } = imagine({ ...everything, webgpu: undefined, webgl2: "software", wasm: false, last: false });
    await expect(initBackend([auto(candidates)])).rejects.toThrow(
      "initBackend: no backend can run here: webgpu (webgpu: an adapter must answer, none did; try another); " +
        "webgl2 (only a software adapter, SwiftShader); wasm (wasm: no WebAssembly; use reference)",
    );
    expect(kernels()).toBe(backend);
  });

  test("entries behind it are tried where it finds none", async () => {
    const { candidates } = imagine({ ...everything, webgpu: undefined, webgl2: undefined, wasm: false, last: false });
    const choice = await initBackend([auto(candidates), "reference"]);
    expect(choice.name).toBe("reference");
    expect(choice.passedOver.map(({ name }) => name)).toEqual(["webgpu", "webgl2", "wasm"]);
    expect(choice.reason).toBeUndefined();
  });

  test("a name that does not exist is an error that lists auto", () =>
    expect(initBackend(["automatic" as "auto"])).rejects.toThrow(
      "initBackend: backend must be one of auto, wasm, reference, or one made by separable/gpu, got automatic",
    ));
});
