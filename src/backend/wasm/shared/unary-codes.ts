/**
 * The numbers by which the host tells the kernel `unary` which op to compute. Both compilers read this file: TypeScript for the host,
 * AssemblyScript for the kernels.
 */

export const negate = 0;
export const absolute = 1;
export const sign = 2;
export const reciprocal = 3;
export const exp = 4;
export const log = 5;
export const sqrt = 6;
export const reciprocalSqrt = 7;
export const tanh = 8;
export const sigmoid = 9;
export const relu = 10;
export const step = 11;
export const floor = 12;
export const not = 13;
export const gelu = 14;
export const erf = 15;
export const normalCdf = 16;
export const expm1 = 17;
export const log1p = 18;
export const sin = 19;
export const cos = 20;
