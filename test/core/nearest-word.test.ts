import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { editDistance, nearestWord, suggestion } from "../../src/core/nearest-word.ts";

/** The definition of the distance, by recursion. It shares no code with the table. */
function distanceByDefinition(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  const [a1, b1] = [a.slice(0, -1), b.slice(0, -1)];
  const options = [
    distanceByDefinition(a1, b) + 1,
    distanceByDefinition(a, b1) + 1,
    distanceByDefinition(a1, b1) + (a.at(-1) === b.at(-1) ? 0 : 1),
  ];
  if (a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1))
    options.push(distanceByDefinition(a.slice(0, -2), b.slice(0, -2)) + 1);
  return Math.min(...options);
}

const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 5 });

test("the edit distance is the one of its definition", () =>
  fc.assert(fc.property(word, word, (a, b) => void expect(editDistance(a, b)).toBe(distanceByDefinition(a, b)))));

const families = ["Conv", "Sep", "ACDC", "Hashed", "SepHashed", "TensorTrain", "Tucker", "CP", "Shuffle", "BlockTensorTrain"];

describe("the nearest word", () => {
  test("is the word itself, whatever its case", () =>
    fc.assert(fc.property(fc.constantFrom(...families), (name) => void expect(nearestWord(name.toLowerCase(), families)).toBe(name))));

  test.each([
    ["TT", "TensorTrain"],
    ["BTT", "BlockTensorTrain"],
    ["tensor-train", "TensorTrain"],
    ["TensorTrian", "TensorTrain"],
    ["CanonicalPolyadic", "CP"],
    ["HashedNet", "Hashed"],
    ["Sepp", "Sep"],
    ["Tuker", "Tucker"],
  ])("of %s is %s", (given, expected) => expect(nearestWord(given, families)).toBe(expected));

  test.each(["", "x", "Winograd", "resnet"])("of %j is none", (given) => expect(nearestWord(given, families)).toBeUndefined());

  test("is not looked for where a text is too long for a word, whose edits would take its length in memory", () => {
    expect(nearestWord(`TensorTrain${"x".repeat(189)}`, families)).toBe("TensorTrain");
    for (const length of [190, 50_000_000]) expect(nearestWord(`TensorTrain${"x".repeat(length)}`, families)).toBeUndefined();
  });

  test("ends a message", () => {
    expect(suggestion("acurate", ["quick", "accurate"])).toBe("; did you mean accurate?");
    expect(suggestion("imagenet", ["quick", "accurate"])).toBe("");
  });
});
