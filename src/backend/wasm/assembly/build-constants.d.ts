/** Constants that differ from build to build. compile-kernels.mjs gives them to the compiler. */

/** 1 where loops over memory are written in pairs of vectors, which the engine joins; else 0. */
declare const WIDE: i32;
/** The tile of matrix multiplication. */
declare const GEMM_ROWS: i32;
declare const GEMM_COLUMNS: i32;
/** Neighbouring pixels that the tile of a convolution takes from one row: 4 or 8. */
declare const CONV_RUN: i32;
