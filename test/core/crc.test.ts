import { crc32c as native } from "@node-rs/crc32";
import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c } from "../../src/core/crc.ts";

const counting = Uint8Array.from({ length: 32 }, (_, i) => i);

test.each<[string, Uint8Array, number]>([
  ["32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["32 incrementing bytes", counting, 0x46dd794e],
  ["32 decrementing bytes", counting.toReversed(), 0x113fdb5c],
])("RFC 3720 B.4: %s", (_, bytes, sum) => expect(crc32c(bytes)).toBe(sum));

test("agrees with the processor's instruction", () =>
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => crc32c(bytes) === native(bytes))));
