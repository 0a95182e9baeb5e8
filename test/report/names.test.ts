/** Names of networks in a report: different ones differ, and no name says more than it must. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { namesAmong } from "../../src/report/names.ts";
import { renderReport } from "../../src/report/page.ts";
import { sampleRuns } from "./sample-runs.ts";

const key = fc.record({
  data: fc.constantFrom("cifar10", "cifar100"),
  network: fc.constantFrom("wrn-10-1", "wrn-16-2"),
  convolution: fc.constantFrom("Conv", "Sep", "Tucker_0.5"),
  teacher: fc.constantFrom(undefined, "wide", "deep"),
});
const keys = fc.array(key, { minLength: 1, maxLength: 8 });
type Key = typeof key extends fc.Arbitrary<infer T> ? T : never;
const text = (...parts: readonly (string | undefined)[]): string => JSON.stringify(parts);

test("configurations have one name exactly if they are the same, and so have networks", () =>
  fc.assert(
    fc.property(keys, (all) => {
      const names = namesAmong(all);
      const ways: [(key: Key) => string, (key: Key) => string][] = [
        [names.configuration, ({ data, network, convolution, teacher }) => text(data, network, convolution, teacher)],
        [names.network, ({ data, network, convolution }) => text(data, network, convolution)],
      ];
      for (const [nameOf, identityOf] of ways)
        for (const a of all) for (const b of all) expect(nameOf(a) === nameOf(b)).toBe(identityOf(a) === identityOf(b));
    }),
  ));

test("a name has the data set, the network or the teacher only where its convolution comes with several", () =>
  fc.assert(
    fc.property(keys, (all) => {
      const names = namesAmong(all);
      for (const named of all) {
        const own = all.filter(({ convolution }) => convolution === named.convolution);
        for (const part of ["data", "network"] as const)
          expect(names.network(named).split(" ").includes(named[part])).toBe(own.some((other) => other[part] !== named[part]));
        const teachers = new Set(own.flatMap(({ teacher }) => teacher ?? []));
        const tail = names.configuration(named).slice(names.network(named).length);
        if (named.teacher === undefined) expect(tail).toBe("");
        else expect(tail).toBe(teachers.size > 1 ? ` + AT from ${named.teacher}` : " + AT");
      }
    }),
  ));

test("a report of several networks says in its first lines which one is the best", () => {
  const [first, second] = sampleRuns({ count: 2, seed: 3 });
  const small = { ...first!, network: "wrn-10-1", teacher: undefined, error: 0.3 };
  const large = { ...second!, network: "wrn-16-2", convolution: small.convolution, teacher: undefined, error: 0.1 };
  expect(renderReport([small, large])).toContain(`Smallest error: <b>wrn-16-2 ${small.convolution}</b>`);
});
