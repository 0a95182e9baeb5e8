/**
 * Numbers that the host and the kernels must agree on. Both compilers read this file:
 * TypeScript for the host, AssemblyScript for the kernels.
 */

/** The address at which the arguments of the running kernel lie, for every thread to read. */
export const jobAddress = 512;

/** Elements that one thread takes at a time: enough that claiming a chunk costs nothing, few enough that threads finish together. */
export const chunkElements = 16384;

/** The most axes of a broadcast or a view that the kernels walk through. */
export const maximumRank = 8;

/** Where the sizes and strides of these axes lie: lists of `maximumRank` integers, one list behind the other. */
export const axisListsAddress = 640;

/** Columns that the cosine transform takes at a time: one cache line of each row. */
export const cosineColumns = 16;

/** Runs of pixels that the depthwise convolution computes at a time. */
export const depthwiseVectors = 6;
