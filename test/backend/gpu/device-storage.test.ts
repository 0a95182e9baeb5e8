/** The memory that a device's storages count and free, tested without a device. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { type BufferOwner, type DeviceBuffer, DeviceMemory, DeviceStorage, emptyBuffer } from "../../../src/backend/gpu/device-storage.ts";
import { StorageWatch } from "../../../src/backend/storage-watch.ts";

/** An owner that records which buffers were freed. */
function owner(): BufferOwner & { readonly freed: DeviceBuffer[] } {
  const freed: DeviceBuffer[] = [];
  const memory = new DeviceMemory();
  return {
    memory,
    watch: new StorageWatch(
      () => memory.used,
      (lease) => lease.free(),
    ),
    freed,
    freeBuffer: (buffer) => freed.push(buffer),
    readElements: async ({ length }) => new Float32Array(length).fill(2.75),
  };
}

/** The storage with a buffer of its own, as a launch gives it. */
function filled(storage: DeviceStorage): DeviceStorage {
  storage.moveTo({ buffer: emptyBuffer(storage.length), offset: 0 });
  return storage;
}

test("memory counts the bytes in use, their peak, and the backend's own tables separately", () => {
  const move = fc.record({ length: fc.nat(100), isTable: fc.boolean(), release: fc.option(fc.nat(20), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
      const device = owner();
      const alive: { storage: DeviceStorage; isTable: boolean }[] = [];
      let [peak, freed] = [0, 0];
      const bytes = (isTable: boolean): number =>
        alive.filter((entry) => entry.isTable === isTable).reduce((sum, { storage }) => sum + 4 * storage.length, 0);
      for (const { length, isTable, release } of moves) {
        const storage = filled(new DeviceStorage(device, "float32", length));
        peak = Math.max(peak, bytes(false) + 4 * length);
        alive.push({ storage: isTable ? storage.asTable() : storage, isTable });
        if (release !== undefined && release < alive.length) {
          alive.splice(release, 1)[0]!.storage.release();
          freed++;
        }
        expect(device.memory.report("it")).toEqual({
          backend: "it",
          storages: alive.filter(({ isTable }) => !isTable).length,
          used: bytes(false),
          peak,
          reserved: bytes(false) + bytes(true),
        });
        expect(device.freed.length).toBe(freed);
      }
    }),
  );
});

test("tables of a storage are freed when its elements change and when it is freed", () => {
  const device = owner();
  const storage = filled(new DeviceStorage(device, "int32", 2, { kind: "host", values: Int32Array.of(1, 0) }));
  const table = () => filled(new DeviceStorage(device, "int32", 3)).asTable();
  const [first, second, third] = [table(), table(), table()];
  const buffers = [first, second, third, storage].map(({ window }) => window!.buffer);
  storage.tables.set("one", { first, second });
  storage.replaceIndices({ kind: "host", values: Int32Array.of(0, 1) });
  expect([first.alive, second.alive, storage.tables.size, storage.indexSource]).toEqual([
    false,
    false,
    0,
    { kind: "host", values: Int32Array.of(0, 1) },
  ]);
  storage.tables.set("one", { third });
  storage.retain();
  storage.release();
  expect(third.alive).toBe(true);
  storage.release();
  expect([third.alive, device.memory.tables, device.memory.used]).toEqual([false, 0, 0]);
  expect(device.freed.map((buffer) => buffers.indexOf(buffer))).toEqual([0, 1, 2, 3]);
});

test("int32 storages read as whole numbers, and freed storages throw", async () => {
  const device = owner();
  const storage = new DeviceStorage(device, "int32", 2);
  expect(await storage.read()).toEqual(Int32Array.of(2, 2));
  storage.release();
  await expect(storage.read()).rejects.toThrow("used after it was freed");
});

test("a storage that nobody can reach any more is freed with its tables by the next collection", () => {
  const device = owner();
  const kept = filled(new DeviceStorage(device, "float32", 5));
  (() => {
    for (let i = 0; i < 10; i++) {
      const dropped = filled(new DeviceStorage(device, "int32", 3));
      dropped.tables.set("test", { table: filled(new DeviceStorage(device, "int32", 7)).asTable() });
    }
  })();
  expect([device.memory.used, device.memory.tables, device.freed.length]).toEqual([4 * (5 + 30), 4 * 70, 0]);
  device.watch.collect();
  expect([device.memory.used, device.memory.tables, device.freed.length]).toEqual([20, 0, 20]);
  expect(kept.alive).toBe(true);
});

test("a buffer is freed when the last storage with elements in it has left it", () => {
  const move = fc.record({ storage: fc.nat(4), to: fc.nat(3), release: fc.boolean() });
  fc.assert(
    fc.property(fc.array(move, { maxLength: 30 }), (moves) => {
      const device = owner();
      const storages = Array.from({ length: 5 }, () => new DeviceStorage(device, "float32", 1));
      const places = new Map<DeviceStorage, DeviceBuffer>();
      const buffers = Array.from({ length: 4 }, () => emptyBuffer(5));
      const held = (buffer: DeviceBuffer): boolean => [...places.values()].includes(buffer);
      let expected: DeviceBuffer[] = [];
      for (const { storage: i, to, release } of moves) {
        const [storage, buffer] = [storages[i]!, buffers[to]!];
        if (!storage.alive || expected.includes(buffer)) continue;
        const before = places.get(storage);
        if (release) {
          storage.release();
          places.delete(storage);
        } else {
          storage.moveTo({ buffer, offset: i });
          places.set(storage, buffer);
        }
        if (before !== undefined && !held(before)) expected = [...expected, before];
        expect(device.freed.map((freed) => buffers.indexOf(freed))).toEqual(expected.map((freed) => buffers.indexOf(freed)));
      }
    }),
  );
});
