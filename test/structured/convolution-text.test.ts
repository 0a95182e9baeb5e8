/** The module and the form of a text, against the regular expression that says what they are. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { splitModule } from "../../src/structured/convolution-text.ts";

const part = fc.constantFrom("C", ":", "/", "\\", ".", "families", "_4", "TT");

test("a form stands after the last colon, unless a separator of folders follows", () =>
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const text = parts.join("");
      const [, module, form = text] = /^(.+):([^:/\\]*)$/.exec(text) ?? [];
      expect(splitModule(text)).toEqual({ module, form });
    }),
    { numRuns: 1000 },
  ));
