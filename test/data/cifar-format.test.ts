import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/core/errors.ts";
import {
  type CifarName,
  cifarFormats,
  cifarImage,
  decodeClassNames,
  decodeRecords,
  encodeRecords,
  recordBytes,
} from "../../src/data/cifar-format.ts";
import { allocateSplit } from "../../src/data/dataset.ts";
import { scrambledBytes } from "./arbitraries.ts";

const names = fc.constantFrom<CifarName>("cifar10", "cifar100");
const records = fc.record({ name: names, count: fc.integer({ min: 0, max: 6 }), salt: fc.nat(1000) });

function sampleRecords(name: CifarName, count: number, salt: number) {
  const format = cifarFormats[name];
  return {
    format,
    file: { name: "some.bin", records: count },
    images: scrambledBytes(count * cifarImage.bytes, salt),
    labels: scrambledBytes(count, salt + 1).map((b) => b % format.classes.length),
    coarse: scrambledBytes(count, salt + 2).map((b) => b % 20),
    count,
  };
}

describe("the official binary format", () => {
  it("reads what it writes, at any position of the split", () => {
    fc.assert(
      fc.property(records, fc.nat(3), ({ name, count, salt }, first) => {
        const sample = sampleRecords(name, count, salt);
        const bytes = encodeRecords(sample.format, sample, name === "cifar100" ? sample.coarse : undefined);
        const split = allocateSplit(first + count, cifarImage.bytes);
        decodeRecords(sample.format, sample.file, "some.bin", bytes, split, first);
        expect([...split.images.subarray(first * cifarImage.bytes)]).toEqual([...sample.images]);
        expect([...split.labels.subarray(first)]).toEqual([...sample.labels]);
        expect(split.images.subarray(0, first * cifarImage.bytes).every((b) => b === 0)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it("has records of label bytes and the red, green and blue plane, as published", () => {
    const split = { images: scrambledBytes(2 * 3072, 7), labels: Uint8Array.of(3, 99), count: 2 };
    const ten = encodeRecords(cifarFormats.cifar10, { ...split, labels: Uint8Array.of(3, 9) });
    expect(ten.length).toBe(2 * 3073);
    expect([ten[0], ten[3073]]).toEqual([3, 9]);
    expect(ten.subarray(1, 3073)).toEqual(split.images.subarray(0, 3072));
    const hundred = encodeRecords(cifarFormats.cifar100, split, Uint8Array.of(19, 0));
    expect(hundred.length).toBe(2 * 3074);
    expect([...hundred.subarray(0, 2), ...hundred.subarray(3074, 3076)]).toEqual([19, 3, 0, 99]);
    expect(hundred.subarray(3076)).toEqual(split.images.subarray(3072));
  });

  it("has the sizes of the published files", () => {
    const bytes = (name: CifarName) =>
      [...cifarFormats[name].train, ...cifarFormats[name].test].map((f) => f.records * recordBytes(cifarFormats[name]));
    expect(bytes("cifar10")).toEqual(Array(6).fill(30_730_000));
    expect(bytes("cifar100")).toEqual([153_700_000, 30_740_000]);
    expect(cifarFormats.cifar10.classes.length).toBe(10);
    expect(new Set(cifarFormats.cifar100.classes).size).toBe(100);
    // The published list is alphabetical.
    expect([...cifarFormats.cifar100.classes].sort()).toEqual(cifarFormats.cifar100.classes);
  });

  it("refuses any other length and names the file, the rule and the values", () => {
    fc.assert(
      fc.property(names, fc.integer({ min: 0, max: 3 * 3075 }), (name, length) => {
        const { format, file } = sampleRecords(name, 2, 0);
        fc.pre(length !== 2 * recordBytes(format));
        const read = () => decodeRecords(format, file, "dir/some.bin", new Uint8Array(length), allocateSplit(2, cifarImage.bytes), 0);
        expect(read).toThrow(DataError);
        expect(read).toThrow(`dir/some.bin must be ${2 * recordBytes(format)} bytes (2 records of ${recordBytes(format)}), got ${length}`);
      }),
    );
  });

  it("refuses a label out of range, from the first one on, and names the record", () => {
    fc.assert(
      fc.property(names, fc.nat(4), fc.constantFrom(0, 1, 155), fc.boolean(), (name, record, excess, coarse) => {
        const sample = sampleRecords(name, 5, 1);
        const bytes = encodeRecords(sample.format, sample, name === "cifar100" ? sample.coarse : undefined);
        const asCoarse = coarse && name === "cifar100";
        const bound = asCoarse ? 20 : sample.format.classes.length;
        const place = record * recordBytes(sample.format) + (asCoarse ? 0 : sample.format.labelBytes - 1);
        const read = () => decodeRecords(sample.format, sample.file, "some.bin", bytes, allocateSplit(5, cifarImage.bytes), 0);
        bytes[place] = bound - 1;
        read();
        bytes[place] = bound + excess;
        expect(read).toThrow(DataError);
        expect(read).toThrow(`must lie in [0, ${bound}), got ${bound + excess} in record ${record} of some.bin`);
      }),
    );
  });

  it("does not write CIFAR-100 without its coarse labels", () => {
    const { format, images, labels, count } = sampleRecords("cifar100", 2, 0);
    expect(() => encodeRecords(format, { images, labels, count })).toThrow(DataError);
    expect(() => encodeRecords(format, { images, labels, count }, new Uint8Array(1))).toThrow(
      "needs one coarse label per image, got 1 for 2 images",
    );
  });
});

describe("class names", () => {
  it("are read one per line, with any line ends and blank lines", () => {
    const text = `${cifarFormats.cifar10.classes.join("\r\n")}\r\n\r\n`;
    expect(decodeClassNames(cifarFormats.cifar10, "batches.meta.txt", text)).toEqual(cifarFormats.cifar10.classes);
  });

  it("must be as many as there are classes", () => {
    expect(() => decodeClassNames(cifarFormats.cifar10, "dir/batches.meta.txt", "cat\ndog\n")).toThrow(DataError);
    expect(() => decodeClassNames(cifarFormats.cifar10, "dir/batches.meta.txt", "cat\ndog\n")).toThrow(
      "dir/batches.meta.txt must list 10 class names, one per line, got 2",
    );
  });
});
