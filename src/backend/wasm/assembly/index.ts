/** What the module exports: one function per kernel, called by the host, and the worker's loop. */

export { dismiss, setWorkers, work } from "./team";
export { matmul, matmulScratch } from "./matmul";
