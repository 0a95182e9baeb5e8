/** The rules of `"auto"`, against tables that say which candidate is right for which figures. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { decide, isHopeless, refusalOf } from "../../../src/backend/auto/decide.ts";

type Time = number | string;

const table: readonly [device: Time, wasm: Time, winner: "device" | "wasm", reason: string, loss: string][] = [
  [5, 20, "device", "5.0 ms in the calibration, wasm 20 ms", "20 ms in the calibration"],
  [31, 7.25, "wasm", "7.3 ms in the calibration, Radeon 31 ms", "31 ms in the calibration"],
  // The smallest difference decides.
  [19.999999, 20, "device", "20 ms in the calibration, wasm 20 ms", "20 ms in the calibration"],
  [20.000001, 20, "wasm", "20 ms in the calibration, Radeon 20 ms", "20 ms in the calibration"],
  // One decimal below 10 ms, none from there.
  [9.94, 10, "device", "9.9 ms in the calibration, wasm 10 ms", "10 ms in the calibration"],
  // Ties go to wasm: it is exact in float64, and the same on every machine.
  [20, 20, "wasm", "20 ms in the calibration, Radeon 20 ms", "20 ms in the calibration"],
  [0, 0, "wasm", "0.0 ms in the calibration, Radeon 0.0 ms", "0.0 ms in the calibration"],
  [Number.NaN, 20, "wasm", "20 ms in the calibration, Radeon NaN ms", "NaN ms in the calibration"],
  // A candidate that fails loses, and failures of both go to wasm.
  ["lost", 20, "wasm", "Radeon failed in the calibration: lost", "failed in the calibration: lost"],
  [1e9, "memory", "device", "wasm failed in the calibration: memory", "failed in the calibration: memory"],
  ["lost", "memory", "wasm", "Radeon failed in the calibration: lost", "failed in the calibration: lost"],
];

test.each(table)("a device at %s and wasm at %s: %s is taken", (device, wasm, winner, reason, loss) =>
  expect(decide({ name: "Radeon", time: device }, { name: "wasm", time: wasm })).toEqual({ winner, reason, loss }),
);

test("the smaller time wins", () => {
  const time = fc.double({ min: 0, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(time, time, (device, wasm) => {
      const [smallest] = [device, wasm].sort((a, b) => a - b);
      const { winner } = decide({ name: "a", time: device }, { name: "wasm", time: wasm });
      expect({ device, wasm }[winner]).toBe(smallest);
    }),
  );
});

test.each([
  [29, 10, false],
  [30, 10, false],
  [30.000001, 10, true],
  [1, 0, true],
  [0, 0, false],
  [1e9, Infinity, false],
])("a round of %s ms against %s ms: hopeless is %s", (first, best, hopeless) => expect(isHopeless(first, best)).toBe(hopeless));

test("a software adapter is no candidate, and hardware is one", () => {
  expect(refusalOf({ name: "SwiftShader", software: true })).toBe("only a software adapter, SwiftShader");
  expect(refusalOf({ name: "Radeon", software: false })).toBeUndefined();
});
