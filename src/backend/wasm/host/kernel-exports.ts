/** What the compiled module offers (assembly/index.ts). Pointers are byte addresses; flags are 0 or 1. */

export interface KernelExports extends WebAssembly.Exports {
  setWorkers(count: number): void;
  dismiss(): void;
  matmulScratch(blockM: number, blockN: number, k: number): number;
  matmul(
    a: number,
    b: number,
    c: number,
    scratch: number,
    scratchBytes: number,
    batch: number,
    m: number,
    k: number,
    n: number,
    transposeA: boolean,
    transposeB: boolean,
    batchStrideA: number,
    batchStrideB: number,
    blockM: number,
    blockN: number,
    shared: boolean,
  ): void;
}
