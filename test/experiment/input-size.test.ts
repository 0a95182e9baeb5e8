/** The smallest images that a network with a second classifier takes, against a training pass of the network itself. */

import { expect, test } from "vitest";
import { createShapeOnlyBackend } from "../../src/backend/shape-only.ts";
import { Random } from "../../src/core/random.ts";
import { NoDraws } from "../../src/count/no-draws.ts";
import { withBackend } from "../../src/count/with-backend.ts";
import { checkInputSize } from "../../src/experiment/input-size.ts";
import { createNetwork, type NetworkSpec } from "../../src/experiment/network-spec.ts";
import { zeros } from "../../src/ops/creation.ts";

const spec: NetworkSpec = { kind: "darts", depth: 3, width: 1, auxiliary: true, convolution: { kind: "Conv" } };

test("the second classifier of DARTS takes exactly the sizes with which the network trains", () => {
  const trains = (size: number): boolean =>
    withBackend(createShapeOnlyBackend(), () => {
      const network = createNetwork(spec, 10, { random: new NoDraws() }, { init: "variance-preserving" });
      try {
        network.forwardWithAttention(zeros([2, 3, size, size]), { training: true, random: new Random(0) });
        return true;
      } catch {
        return false;
      }
    });
  const accepted = (size: number): boolean => {
    try {
      checkInputSize(spec, size);
      return true;
    } catch {
      return false;
    }
  };
  const sizes = Array.from({ length: 6 }, (_, i) => 27 + i);
  expect(sizes.map(accepted)).toEqual(sizes.map(trains));
  // An odd size is refused as well, because the two halves of a reduction would not fit together.
  expect(() => checkInputSize(spec, 28)).toThrow("its second classifier needs 29 pixels; try --image-size 30");
});
