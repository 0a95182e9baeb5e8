/** The name of a network whose layers have specs of their own: that of the family which the specs have in common. */

import { expect, test } from "vitest";
import { convolutionName, kindIn } from "../../src/structured/convolution-name.ts";
import { convolutionKinds, parseConvolution } from "../../src/structured/convolution-text.ts";

test.each([
  ["Generic_0.1,Generic_0.25x2,Conv", "Generic_by-layer"],
  ["Conv,Sepx5,Sep", "Sep_by-layer"],
  ["MatrixTensorTrain_15x5,MatrixTensorTrain_25", "MatrixTensorTrain_by-layer"],
  ["Generic_0.1,Sep", "Conv_by-layer"],
])("%s is named %s", (text, name) => {
  expect(convolutionName(parseConvolution(text))).toBe(name);
});

test.each(convolutionKinds)("the kind of a name is %s with hyper-parameters and with windows", (kind) => {
  for (const rest of ["", "_4", "_0.25_2", "x2", "_0.25x12"]) expect(kindIn(kind + rest)).toBe(kind);
});
