/** Equations to begin with. */

export interface Preset {
  readonly title: string;
  readonly equation: string;
  /** The size of each label. */
  readonly sizes: Readonly<Record<string, number>>;
  /** What to look at. */
  readonly lesson: string;
}

export const presets: readonly Preset[] = [
  {
    title: "Matrix chain",
    equation: "ab,bc,cd,de->ae",
    sizes: { a: 40, b: 200, c: 10, d: 100, e: 5 },
    lesson: "A product of four matrices. The brackets change nothing in the result, and everything in the cost.",
  },
  {
    title: "Tensor train times a vector",
    equation: "aip,pbjq,qck,ijk->abc",
    sizes: { a: 8, b: 8, c: 8, i: 8, j: 8, k: 8, p: 4, q: 4 },
    lesson: "Three cores stand for a matrix of 512×512. Applied one after the other, they never form it.",
  },
  {
    title: "Tucker",
    equation: "pqr,ap,bq,cr->abc",
    sizes: { a: 16, b: 16, c: 9, p: 4, q: 4, r: 3 },
    lesson: "A small core and a factor for each axis. The cheapest order lets the tensor grow as late as it can.",
  },
  {
    title: "CP",
    equation: "ar,br,cr->abc",
    sizes: { a: 16, b: 16, c: 9, r: 8 },
    lesson: "All factors share the rank r, so its edge joins three nodes. It is summed only when the last two meet.",
  },
  {
    title: "Kronecker times a vector",
    equation: "ac,bd,cd->ab",
    sizes: { a: 16, b: 16, c: 16, d: 16 },
    lesson: "The worst order forms the Kronecker product, a matrix of 256×256. The best one never does.",
  },
];
