/** What the module exports: one function per kernel, called by the host, and the worker's loop. */

export { dismiss, setWorkers, work } from "./team";
export { gemmColumns, gemmRows, matmul, matmulScratch } from "./matmul";
export { convRun, correlate, packWeights } from "./conv-correlate";
export { addPartials, weightGradient } from "./conv-weight-gradient";
export { depthwise, depthwiseWeightGradient } from "./depthwise";
export { binary } from "./broadcast";
export { clamp, select_, unary } from "./elementwise";
export { normalise, normaliseGradient } from "./batch-norm";
export { reduce } from "./reductions";
export { cosineTransform } from "./cosine-transform";
export { probe } from "./pairing-probe";
export { fill, moveView } from "./layout";
export { adamUpdate, sgdUpdate } from "./optimiser";
