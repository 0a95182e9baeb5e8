/**
 * What the module exports: one function per kernel, called by the host, and the worker's loop.
 *
 * The files gemm-tile, single-tile, conv-tile, conv-dots, depthwise-tile, panel-tile, panel-dots, same-window-tile and winograd-tile are
 * imported but are not in this folder. ../tiles.mjs writes them anew for each build.
 */

export { dismiss, setWorkers, work } from "./team";
export { gemmColumns, gemmRows, matmul, matmulScratch, packedRightBytes, packRight } from "./matmul";
export { matmul64 } from "./matmul64";
export { convRun, correlate, packWeights } from "./conv-correlate";
export { addPartials, weightGradient } from "./conv-weight-gradient";
export { winogradWeightGradient } from "./winograd-weight-gradient";
export { winograd, winogradWeights } from "./winograd";
export { depthwise, depthwiseWeightGradient } from "./depthwise";
export { contractChannels, contractChannelsGradient } from "./channel-stages";
export { contractWindow, contractWindowGradient } from "./window-stages";
export { separable } from "./separable";
export { separableGradient } from "./separable-gradient";
export { binary } from "./broadcast";
export { clamp, select_, unary } from "./elementwise";
export { givenCoefficients, normalise, normaliseGradient } from "./batch-norm";
export { argmax, reduce } from "./reductions";
export { cosineTransform } from "./cosine-transform";
export { maxPool2d } from "./pooling";
export { firstOutside, gather, scatterAdd } from "./indexing";
export { probe } from "./pairing-probe";
export { fill, moveView } from "./layout";
export { adamUpdate, sgdUpdate } from "./optimiser";
