/** Dimensions, ranks and counts against the 374 cases that the paper's own code computed. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { canonicalRank, threeWayDims, trainSizes, tuckerSizes } from "../../src/structured/three-way.ts";

interface Decomposition {
  readonly in_channels: number;
  readonly out_channels: number;
  readonly rank_scale: number;
  readonly dims: number[];
  readonly ranks_tt: number[];
  readonly ranks_tucker: number[];
  readonly ranks_cp: number;
  /** Sizes of the cores; left out of the file for the largest shapes. */
  readonly tt?: { readonly cores: number[][]; readonly params: number };
  readonly tucker?: { readonly cores: number[][]; readonly Us: number[][]; readonly params: number };
}

const cases: Decomposition[] = JSON.parse(readFileSync(new URL("../fixtures/decomp.json", import.meta.url), "utf8"));

describe("three-way sizes agree with the reference code", () => {
  test.each(cases)("$in_channels → $out_channels at $rank_scale", (c) => {
    const dims = threeWayDims(c.out_channels, c.in_channels);
    expect(dims).toEqual(c.dims);
    const train = trainSizes(dims, c.rank_scale);
    expect(train.wanted).toEqual(c.ranks_tt);
    if (c.tt !== undefined)
      expect([
        [1, dims[0], train.ranks[0]],
        [train.ranks[0], dims[1], train.ranks[1]],
        [train.ranks[1], dims[2], 1],
      ]).toEqual(c.tt.cores);
    if (c.tt !== undefined) expect(train.parameters).toBe(c.tt.params);
    expect(canonicalRank(dims, c.rank_scale)).toBe(c.ranks_cp);
    const tucker = tuckerSizes(dims, c.rank_scale);
    expect(tucker.wanted).toEqual(c.ranks_tucker);
    const [s, t] = [tucker.sizes, tucker.bonds];
    if (c.tucker === undefined) return;
    expect([
      [1, s[0], t[0]],
      [t[0], s[1], t[1]],
      [t[1], s[2], 1],
    ]).toEqual(c.tucker.cores);
    expect(dims.map((d, k) => [d, s[k]])).toEqual(c.tucker.Us);
    expect(tucker.parameters).toBe(c.tucker.params);
  });
});
