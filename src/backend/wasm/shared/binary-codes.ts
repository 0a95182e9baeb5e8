/**
 * The numbers by which the host tells the kernel `binary` which op to compute. Both compilers read this file: TypeScript for the host,
 * AssemblyScript for the kernels.
 */

export const add = 0;
export const subtract = 1;
export const multiply = 2;
export const divide = 3;
export const maximum = 4;
export const minimum = 5;
export const equal = 6;
export const notEqual = 7;
export const less = 8;
export const lessEqual = 9;
export const greater = 10;
export const greaterEqual = 11;
export const reluGradient = 12;
export const power = 13;
export const geluGradient = 14;
