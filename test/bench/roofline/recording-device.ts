/** A device that computes nothing and keeps what it was asked to launch. It needs no adapter. */

import { Device } from "../../../src/backend/gpu/device.ts";
import type { DeviceStorage, IndexSource } from "../../../src/backend/gpu/device-storage.ts";
import type { Gpu, GpuKernel, OpenedGpu } from "../../../src/backend/gpu/gpu-js.ts";
import { gpuModes } from "../../../src/backend/gpu/gpu-mode.ts";
import type { Inputs, Program } from "../../../src/backend/gpu/program.ts";
import type { DType } from "../../../src/tensor/storage.ts";

export interface Launch {
  readonly program: Program;
  /** The arguments of the program by name. */
  readonly inputs: Inputs<string, string>;
  /** The elements of the buffer of each tensor: a program may read those of a neighbour of its operand. */
  readonly elements: readonly number[];
  /** The elements of the result. */
  readonly length: number;
}

/** The number of threads of a launch. */
export const threadsOf = ({ program, length }: Launch): number => length / program.lanes;

const kernel = (): GpuKernel =>
  Object.assign(() => ({ output: [1], toArray: () => new Float32Array(1), delete: () => {} }), {
    setOutput: () => {},
    destroy: () => {},
    kernel: { context: undefined },
  });

const gpu: Gpu = { createKernel: kernel, addFunction: () => {}, destroy: () => {} };

const opened: OpenedGpu = {
  gpu,
  isOfMode: () => true,
  acquireWebGpu: () => Promise.reject(new Error("a recording device has no adapter")),
};

/** The WebGPU backend's device, with kernels that do nothing. */
export class RecordingDevice extends Device {
  /** What was launched so far, uploads and updates in place excepted. */
  readonly launches: Launch[] = [];

  constructor() {
    super(opened, gpuModes.webgpu, { maximumElements: 2 ** 29 });
  }

  override run<T extends string, I extends string, F extends string>(
    what: Program<T, I, F>,
    length: number,
    inputs: Inputs<T, I | F>,
    dtype?: DType,
    indexSource?: IndexSource,
  ): ReturnType<Device["run"]> {
    this.#record(what, inputs, length);
    return super.run(what, length, inputs, dtype, indexSource);
  }

  override runAll<T extends string, I extends string, F extends string, Name extends string>(
    what: Program<T, I, F>,
    lengths: Readonly<Record<Name, number>>,
    inputs: Inputs<T, I | F>,
  ): Readonly<Record<Name, ReturnType<Device["run"]>>> {
    const length = Object.values<number>(lengths).reduce((sum, each) => sum + each, 0);
    this.#record(what, inputs, length);
    return super.runAll(what, lengths, inputs);
  }

  #record(program: Program, inputs: Launch["inputs"], length: number): void {
    const elements = program.tensors.map((name) => {
      const operand = this.own(inputs[name] as DeviceStorage);
      return operand.window?.buffer.length ?? operand.length;
    });
    this.launches.push({ program, inputs, elements, length });
  }
}
