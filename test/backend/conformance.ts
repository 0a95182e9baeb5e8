/**
 * What every backend must do, kernel by kernel, on generated inputs: odd sizes, sizes 1 and 0, broadcasts, views, strides, paddings,
 * dilations, groups, extreme values. A new backend is one more call of `conformance` in conformance.test.ts.
 */

import { afterAll, beforeAll, describe } from "vitest";
import type { Kernels } from "../../src/backend/kernels.ts";
import { finiteValuesOf, valuesOf } from "../arbitraries/values.ts";
import { contractionConformance } from "./conformance-contractions.ts";
import { cosineTransformConformance } from "./conformance-cosine-transform.ts";
import { elementwiseConformance } from "./conformance-elementwise.ts";
import { fusedConformance } from "./conformance-fused.ts";
import { layoutConformance } from "./conformance-layout.ts";
import { normSeparableConformance } from "./conformance-norm-separable.ts";
import { opConformance } from "./conformance-ops.ts";
import { reductionConformance } from "./conformance-reductions.ts";
import { storageConformance } from "./conformance-storage.ts";
import type { Tolerance } from "./conformance-tolerance.ts";

/** A backend, and how to end what it started. */
export type DisposableKernels = Kernels & { dispose?(): void };

export interface ConformanceOptions {
  /** Cases of a property, where there are usually `usual`. */
  readonly runs?: (usual: number) => number;
}

export function conformance(
  name: string,
  makeBackend: () => DisposableKernels | Promise<DisposableKernels>,
  tolerance: Tolerance,
  { runs = (usual) => usual }: ConformanceOptions = {},
): void {
  describe(`conformance of ${name}`, () => {
    let backend: DisposableKernels | undefined;
    beforeAll(async () => {
      backend = await makeBackend();
    });
    afterAll(() => backend?.dispose?.());
    const subject = { kernels: () => backend!, tolerance, runs, values: tolerance.nonFinite ? valuesOf : finiteValuesOf };
    describe("storage", () => storageConformance(subject));
    describe("elementwise", () => elementwiseConformance(subject));
    describe("along an axis", () => reductionConformance(subject));
    describe("cosine transform", () => cosineTransformConformance(subject));
    describe("layout", () => layoutConformance(subject));
    describe("contractions", () => contractionConformance(subject));
    describe("fused", () => fusedConformance(subject));
    describe("a norm before a separable convolution", () => normSeparableConformance(subject));
    describe("composed ops", () => opConformance(subject));
  });
}
