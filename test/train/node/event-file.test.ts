import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { basename, join } from "node:path";
import fc from "fast-check";
import { decode, encode } from "fast-png";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ConfigError, DataError } from "../../../src/core/errors.ts";
import { interceptEffects } from "../../../src/core/node/files.ts";
import { EventFileWriter } from "../../../src/train/node/event-file.ts";
import { type EventJson, readEvents, readFolder, shownSteps, type ValueJson } from "./event-reader.ts";

/** The number of bytes after which the disk is full. */
let room = Number.POSITIVE_INFINITY;

let restore = (): void => {};
beforeAll(() => {
  const busy = new Set<string>();
  restore = interceptEffects(async (effect, perform) => {
    const { kind, path } = effect;
    if (kind === "truncate") {
      if (busy.has(path)) throw new Error("a write began before the last one ended");
      busy.add(path);
      return perform();
    }
    if (kind === "sync") busy.delete(path);
    if (kind !== "write" || effect.content.length <= room) return perform();
    await perform(effect.content.subarray(0, room));
    busy.delete(path);
    throw Object.assign(new Error("ENOSPC: no"), { code: "ENOSPC" });
  });
});
afterAll(() => restore());

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-events-"));
});
afterEach(async () => {
  room = Number.POSITIVE_INFINITY;
  await rm(folder, { recursive: true, force: true });
});

/** A new folder for each case of a property. */
const fresh = (): Promise<string> => mkdtemp(join(folder, "case-"));

const tags = fc.oneof(
  fc.constantFrom("train/loss", "test/accuracy", "learning_rate", "__proto__"),
  fc.string({ maxLength: 8, unit: "grapheme" }),
);
/** float32 numbers, and the form in which protobuf's JSON writes them. */
const floats = fc.float().map((value) => ({ value, json: Number.isFinite(value) ? value : String(value) }));

const scalars = fc.uniqueArray(fc.tuple(tags, floats), { selector: ([tag]) => tag, maxLength: 4 });
const images = fc.record({ tag: tags, width: fc.integer({ min: 1, max: 5 }), height: fc.integer({ min: 1, max: 5 }), shade: fc.nat(255) });
const entries = fc.record({
  advance: fc.oneof(fc.nat(3), fc.nat(2 ** 40)),
  wallTime: fc.double({ noNaN: true, min: 0, max: 2e9 }),
  content: fc.oneof(
    scalars.map((values) => ({ values })),
    images.map((image) => ({ image })),
  ),
  flush: fc.boolean(),
});

function pngOf({ width, height, shade }: { width: number; height: number; shade: number }): Uint8Array {
  return encode({ width, height, data: new Uint8Array(width * height).fill(shade), channels: 1, depth: 8 });
}

test("an independent decoder reads what was written, and its checksums agree", () =>
  fc.assert(
    fc.asyncProperty(fc.array(entries, { maxLength: 6 }), fc.nat(100), async (list, resumeStep) => {
      const writer = await EventFileWriter.create(await fresh(), { resumeStep });
      const expected: EventJson[] = [];
      let step = resumeStep;
      for (const { advance, wallTime, content, flush } of list) {
        step += advance;
        const value: ValueJson[] = [];
        if ("values" in content) {
          writer.scalars(step, wallTime, Object.fromEntries(content.values.map(([tag, { value }]) => [tag, value])));
          for (const [tag, { json }] of content.values) value.push({ ...(tag && { tag }), simple_value: json });
        } else {
          const { tag, width, height } = content.image;
          const png = pngOf(content.image);
          writer.image(step, wallTime, tag, { width, height, png });
          value.push({ ...(tag && { tag }), image: { height, width, encoded_image_string: Buffer.from(png).toString("base64") } });
        }
        expected.push({
          ...(wallTime && { wall_time: wallTime }),
          ...(step && { step: String(step) }),
          summary: value.length > 0 ? { value } : {},
        });
        if (flush) await writer.flush();
      }
      await writer.close();
      const [version, start, ...events] = readEvents(await readFile(writer.path));
      const moment = { wall_time: expect.any(Number), ...(resumeStep && { step: String(resumeStep) }) };
      expect(version).toEqual({ ...moment, file_version: "brain.Event:2" });
      expect(start).toEqual({ ...moment, session_log: { status: "START" } });
      // The order of the tags within an event does not matter, and an object's integer-like keys come first.
      const sorted = (list: readonly EventJson[]): unknown =>
        list.map(({ summary, ...rest }) => ({ ...rest, values: new Set(summary?.value) }));
      expect(sorted(events)).toEqual(sorted(expected));
    }),
    { numRuns: 100 },
  ));

test("an image is read as it was written", async () => {
  const writer = await EventFileWriter.create(folder);
  const png = encode({ width: 2, height: 3, data: Uint8Array.of(1, 2, 3, 4, 5, 6), channels: 1, depth: 8 });
  writer.image(7, 1.5, "attention/group1", { width: 2, height: 3, png });
  await writer.close();
  const { image } = readEvents(await readFile(writer.path)).at(-1)!.summary!.value![0]!;
  expect(image).toMatchObject({ width: 2, height: 3 });
  expect([...decode(Buffer.from(image!.encoded_image_string, "base64")).data]).toEqual([1, 2, 3, 4, 5, 6]);
});

/** Sessions of one run. Each starts at a step that was written before, or at the next one, and writes `count` steps. */
const sessions = fc.array(fc.record({ back: fc.nat(4), count: fc.nat(5), lost: fc.nat(80) }), { minLength: 1, maxLength: 5 });

test("a run that is killed and resumed any number of times shows every step once, as it was written last", () =>
  fc.assert(
    fc.asyncProperty(sessions, async (list) => {
      const path = await fresh();
      const shown: { step: number; value: number }[] = [];
      for (const [session, { back, count, lost }] of list.entries()) {
        const resumeStep = Math.max(0, shown.length - back);
        const writer = await EventFileWriter.create(path, { resumeStep });
        shown.length = resumeStep;
        for (let step = resumeStep; step < resumeStep + count; step++) {
          writer.scalars(step, step, { loss: session });
          shown.push({ step, value: session });
        }
        await writer.close();
        // These bytes were on their way to the disk when the power failed.
        const bytes = await readFile(writer.path);
        const kept = Math.max(readHead(bytes), bytes.length - lost);
        await writeFile(writer.path, bytes.subarray(0, kept));
        const whole = readEvents(bytes.subarray(0, kept)).length - 2;
        shown.length = resumeStep + whole;
      }
      expect(shownSteps((await readFolder(path)).flat(), "loss")).toEqual(shown);
    }),
    { numRuns: 100 },
  ));

/** Number of bytes of the two records that `create` has flushed. */
function readHead(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const first = 16 + view.getUint32(0, true);
  return first + 16 + view.getUint32(first, true);
}

describe("names", () => {
  test("contain the second and the host", async () => {
    const before = Math.floor(Date.now() / 1000);
    const writer = await EventFileWriter.create(join(folder, "deep", "er"));
    await writer.close();
    const [, seconds, host] = /^events\.out\.tfevents\.(\d{10})\.(.+)$/.exec(basename(writer.path))!;
    expect(Number(seconds)).toBeGreaterThanOrEqual(before);
    expect(Number(seconds)).toBeLessThanOrEqual(Date.now() / 1000);
    expect(host).toBe(hostname());
  });

  test("sort in the order of creation, within one second and after the clock was set back", async () => {
    await writeFile(join(folder, "events.out.tfevents.4000000000.other-host"), "");
    await writeFile(join(folder, "events.out.tfevents.unrelated"), "");
    const made: string[] = [];
    for (let i = 0; i < 4; i++) {
      const writer = await EventFileWriter.create(folder);
      made.push(basename(writer.path));
      await writer.close();
    }
    expect(made.toSorted()).toEqual(made);
    expect(made[0]! > "events.out.tfevents.4000000000.other-host").toBe(true);
  });

  test("differ for writers that start at once", async () => {
    const writers = await Promise.all(Array.from({ length: 4 }, () => EventFileWriter.create(folder)));
    expect(new Set(writers.map(({ path }) => path)).size).toBe(4);
    await Promise.all(writers.map((writer) => writer.close()));
  });
});

test("flushed events are on the disk in their order, even when flushes overlap", async () => {
  const writer = await EventFileWriter.create(folder);
  const told = async (): Promise<number[]> => shownSteps(readEvents(await readFile(writer.path)), "x").map(({ step }) => step);
  writer.scalars(1, 0, { x: 1 });
  expect(await told()).toEqual([]);
  const first = writer.flush();
  writer.scalars(2, 0, { x: 1 });
  const second = writer.flush();
  writer.scalars(3, 0, { x: 1 });
  await Promise.all([first, second]);
  expect((await told()).slice(0, 2)).toEqual([1, 2]);
  await writer.close();
  expect(await told()).toEqual([1, 2, 3]);
});

describe("a full disk", () => {
  test("loses no event: the next flush writes the events of the failed one", () =>
    fc.assert(
      fc.asyncProperty(fc.nat(120), async (bytes) => {
        const writer = await EventFileWriter.create(await fresh());
        writer.scalars(1, 0, { x: 1 });
        await writer.flush();
        for (const step of [2, 3, 4]) writer.scalars(step, 0, { x: step });
        room = bytes;
        const full = await writer.flush().then(
          () => undefined,
          (error: unknown) => error,
        );
        room = Number.POSITIVE_INFINITY;
        if (full !== undefined) {
          expect(full).toBeInstanceOf(DataError);
          expect(String(full)).toMatch(/must be writable, got ENOSPC for .*; free some room/);
        }
        writer.scalars(5, 0, { x: 5 });
        await writer.close();
        expect(shownSteps(readEvents(await readFile(writer.path)), "x").map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
      }),
      { numRuns: 60 },
    ));

  test("leaves no empty file", async () => {
    room = 10;
    await expect(EventFileWriter.create(folder)).rejects.toThrow(DataError);
    expect(await readdir(folder)).toEqual([]);
  });

  test("does not keep `close` from closing the file", async () => {
    const writer = await EventFileWriter.create(folder);
    writer.scalars(1, 0, { x: 1 });
    room = 3;
    await expect(writer.close()).rejects.toThrow(DataError);
    await expect(writer.flush()).rejects.toThrow(/EBADF/);
  });
});

describe("refused", () => {
  test("a folder that is a file", async () => {
    await writeFile(join(folder, "file"), "mine");
    await expect(EventFileWriter.create(join(folder, "file"))).rejects.toThrow(DataError);
    expect(await readFile(join(folder, "file"), "utf8")).toBe("mine");
  });

  test("a first step that is no integer ≥ 0, before a file is created", async () => {
    for (const resumeStep of [-1, 0.5, Number.NaN, 2 ** 53]) {
      const created = EventFileWriter.create(join(folder, "run"), { resumeStep });
      await expect(created).rejects.toThrow(ConfigError);
      await expect(created).rejects.toThrow(/step must be an integer ≥ 0, got/);
    }
    expect(await readdir(folder)).toEqual([]);
  });

  test("steps that go back, for any tag, and they leave no trace", async () => {
    await mkdir(join(folder, "run"));
    const writer = await EventFileWriter.create(join(folder, "run"), { resumeStep: 3 });
    const image = { width: 1, height: 1, png: pngOf({ width: 1, height: 1, shade: 0 }) };
    expect(() => writer.scalars(2, 0, { x: 1 })).toThrow(ConfigError);
    writer.scalars(390, 0, { "train/loss": 1 });
    for (const step of [3, 389, -1, 390.5]) {
      expect(() => writer.scalars(step, 0, { "test/accuracy": 1 })).toThrow(ConfigError);
      expect(() => writer.image(step, 0, "x", image)).toThrow(ConfigError);
    }
    expect(() => writer.scalars(3, 0, { x: 1 })).toThrow("must not go back, got 3 after 390; count every tag in the same steps");
    writer.image(390, 0, "x", image);
    await writer.close();
    expect(readEvents(await readFile(writer.path)).map(({ step }) => step)).toEqual(["3", "3", "390", "390"]);
  });
});
