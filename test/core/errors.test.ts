/** Every error of the library has a message of bounded length, without characters that act on a terminal. */

import fc from "fast-check";
import { expect, test } from "vitest";
import * as errors from "../../src/core/errors.ts";
import { formatShape } from "../../src/core/shape.ts";
import { overwriteState } from "../../src/nn/load-state.ts";
import { decodeSafetensors } from "../../src/train/safetensors.ts";

const classes = Object.values(errors) as readonly (new (message: string, options?: ErrorOptions) => Error)[];

/** C0 without tab and line feed, DEL, C1, and the marks that change the direction of a text. */
const acts = (text: string): boolean =>
  [...text].some((character) => {
    const code = character.codePointAt(0)!;
    return (code < 32 && code !== 9 && code !== 10) || (code >= 127 && code < 160) || (code >= 0x202a && code <= 0x202e);
  });

test("a message is bounded and acts on no terminal, whatever it quotes", () =>
  fc.assert(
    fc.property(fc.constantFrom(...classes), fc.string({ unit: "binary" }), fc.nat(300), (Class, text, repeats) => {
      const { message } = new Class(`${text}\u001b[2J\u202e`.repeat(1 + repeats));
      expect(message.length).toBeLessThanOrEqual(4000);
      expect(acts(message)).toBe(false);
    }),
    { numRuns: 50 },
  ));

test("a message of plain text is kept, with its line breaks and its cause", () => {
  const cause = new Error("cause");
  const error = new errors.DataError("a: must be b, got “ç”;\n\tdo c", { cause });
  expect(error.message).toBe("a: must be b, got “ç”;\n\tdo c");
  expect(error.cause).toBe(cause);
});

test("a shape of more than 64 axes is cut", () => {
  expect(formatShape([1, 2])).toBe("[1,2]");
  expect(formatShape(new Array(64).fill(1)).length).toBe(129);
  expect(formatShape(new Array(65).fill(1))).toBe(`[${new Array(64).fill(1).join(",")},… 65 axes]`);
});

const file = (header: unknown): Uint8Array => {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
};

test("a tensor of a long name or of many axes gives a short message that still says what to do", () => {
  const message = (header: unknown): string => {
    try {
      decodeSafetensors(file(header), "a.safetensors");
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };
  const entry = { dtype: "F32", shape: [], data_offsets: [0, 4] };
  for (const header of [
    { ["x".repeat(1e6)]: entry },
    { a: { ...entry, shape: new Array(1e5).fill(1) } },
    { a: { ...entry, dtype: "F".repeat(1e6) } },
  ])
    expect(message(header)).toMatch(/^safetensors: a\.safetensors must .{10,500}; (the file is truncated|save it as F32)/);
});

test("a state dict of long names gives a message that has all of its faults", () => {
  const values = new Map([1, 2, 3].map((i) => [`${i}${"x".repeat(1e6)}\u001b]0;title\u0007`, { shape: [], data: [0] }]));
  const load = (): unknown => overwriteState("load", new Map(), values);
  expect(load).toThrow(/^load: the state must fit the network, got 1x{200,}…; 2x{200,}…; 3x{200,}…$/);
});
