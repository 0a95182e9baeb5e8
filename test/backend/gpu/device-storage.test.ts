/** What a device's storages count and free, without a device. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { type Cell, type CellOwner, DeviceMemory, DeviceStorage } from "../../../src/backend/gpu/device-storage.ts";

/** An owner that notes which cells were freed. */
function owner(): CellOwner & { readonly freed: Cell[] } {
  const freed: Cell[] = [];
  return {
    memory: new DeviceMemory(),
    freed,
    freeCell: (cell) => freed.push(cell),
    readCell: async (_, length) => new Float32Array(length).fill(2.75),
  };
}

test("memory counts what lives, what lived at most, and the backend's own tables apart", () => {
  const move = fc.record({ length: fc.nat(100), reserved: fc.boolean(), release: fc.option(fc.nat(20), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
      const device = owner();
      const alive: { storage: DeviceStorage; reserved: boolean }[] = [];
      let [peak, freed] = [0, 0];
      const bytes = (reserved: boolean): number =>
        alive.filter((entry) => entry.reserved === reserved).reduce((sum, { storage }) => sum + 4 * storage.length, 0);
      for (const { length, reserved, release } of moves) {
        const storage = new DeviceStorage(device, "float32", length);
        peak = Math.max(peak, bytes(false) + 4 * length);
        alive.push({ storage: reserved ? storage.reserve() : storage, reserved });
        if (release !== undefined && release < alive.length) {
          alive.splice(release, 1)[0]!.storage.release();
          freed++;
        }
        expect(device.memory.report("it")).toEqual({
          backend: "it",
          storages: alive.filter(({ reserved }) => !reserved).length,
          used: bytes(false),
          peak,
          reserved: bytes(false) + bytes(true),
        });
        expect(device.freed.length).toBe(freed);
      }
    }),
  );
});

test("tables of a storage go when its numbers change and when it is freed", () => {
  const device = owner();
  const storage = new DeviceStorage(device, "int32", 2, { kind: "listed", values: Int32Array.of(1, 0) });
  const table = () => new DeviceStorage(device, "int32", 3).reserve();
  const [first, second, third] = [table(), table(), table()];
  storage.tables.set("one", { first, second });
  storage.relearn({ kind: "listed", values: Int32Array.of(0, 1) });
  expect([first.alive, second.alive, storage.tables.size, storage.knowledge]).toEqual([
    false,
    false,
    0,
    { kind: "listed", values: Int32Array.of(0, 1) },
  ]);
  storage.tables.set("one", { third });
  storage.retain();
  storage.release();
  expect(third.alive).toBe(true);
  storage.release();
  expect([third.alive, device.memory.constants, device.memory.used]).toEqual([false, 0, 0]);
  expect(device.freed).toEqual([first, second, third, storage].map(({ cell }) => cell));
});

test("int32 storages give whole numbers, and freed ones none", async () => {
  const device = owner();
  const storage = new DeviceStorage(device, "int32", 2);
  expect(await storage.read()).toEqual(Int32Array.of(2, 2));
  storage.release();
  await expect(storage.read()).rejects.toThrow("used after it was freed");
});
