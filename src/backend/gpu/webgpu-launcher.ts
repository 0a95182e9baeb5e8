/**
 * Launches of kernels that gpu.js has compiled, in WebGPU. gpu.js makes a buffer, a command encoder and a submission for every launch. Here
 * many launches share one encoder, one submission and one upload of their arguments, and the buffers of freed results serve again. A step
 * of training has a hundred launches, each of which the host would otherwise spend twice to four times as long on.
 *
 * A launch is recorded at once and submitted when the current job of JavaScript ends, when the batch is full, or when something waits for
 * the device. What is freed meanwhile may still be in the batch, so it is destroyed after the submission.
 */

import type { CompiledKernel, DeviceHandle, GpuBuffer, GpuDevice, GpuEncoder, GpuPass, WebGpuContext } from "./gpu-js.ts";
import { type Grid, planeSide } from "./program.ts";

/** A result in a buffer of the launcher. gpu.js takes it as the argument of a kernel, as it does its own results. */
export interface WebGpuHandle extends DeviceHandle {
  readonly buffer: GpuBuffer;
  readonly context: WebGpuContext;
}

/** What a launch needs of a kernel that gpu.js has compiled. */
type LaunchableKernel = Required<CompiledKernel>;

/** GPUBufferUsage and GPUMapMode are globals only where a browser has them. The WebGPU specification fixes their values. */
const usage = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, uniform: 0x40, storage: 0x80 } as const;
const mapModeRead = 1;

/** The threads of a workgroup, which gpu.js fixes: so many in a line, and `planeSide` × `planeSide` in a plane. */
const workgroup = 64;

/** The arguments of a launch begin at a multiple of so many bytes, as WebGPU guarantees. */
const alignment = 256;

/** The bytes of the arguments of one batch. */
const argumentBytes = 64 * alignment;

/**
 * Freed buffers of at most so many bytes are kept, and all of them together have at most so many. Making larger ones costs little beside
 * filling them.
 */
const largestKept = 2 ** 22;
const mostKept = 2 ** 26;

export class WebGpuLauncher {
  readonly #context: WebGpuContext;
  readonly #device: GpuDevice;
  readonly #arguments: GpuBuffer;
  readonly #bytes = new ArrayBuffer(argumentBytes);
  readonly #integers = new Int32Array(this.#bytes);
  readonly #floats = new Float32Array(this.#bytes);
  #used = 0;
  #encoder: GpuEncoder | undefined;
  #pass: GpuPass | undefined;
  /** Freed buffers by their size. */
  readonly #kept = new Map<number, GpuBuffer[]>();
  #keptBytes = 0;
  /** What is destroyed after the next submission. */
  #freed: (() => void)[] = [];
  /** The results of this launcher that are in use. */
  readonly #own = new WeakSet<DeviceHandle>();
  #closed = false;

  constructor(context: WebGpuContext) {
    this.#context = context;
    this.#device = context.device;
    this.#arguments = this.#device.createBuffer({ size: argumentBytes, usage: usage.uniform | usage.copyTarget });
  }

  /** The kernel as the launcher can launch it; undefined before gpu.js has compiled it, or if this version of gpu.js keeps other fields. */
  static launchable(kernel: CompiledKernel): LaunchableKernel | undefined {
    const isReady = kernel.built && kernel.computePipeline && kernel.bindGroupLayout && kernel.paramsLayout;
    return isReady && kernel.paramsLayout!.byteLength <= argumentBytes ? (kernel as LaunchableKernel) : undefined;
  }

  /** Records a launch whose result has `length` elements. */
  launch(kernel: LaunchableKernel, length: number, grid: Grid, inputs: readonly (DeviceHandle | number)[]): WebGpuHandle {
    const { paramsLayout, bindGroupLayout, computePipeline } = kernel;
    const buffer = this.#take(length * 4);
    const offset = this.#reserve(paramsLayout.byteLength);
    const { groups, rowThreads } = this.#dispatchOf(grid);
    const word = offset / 4;
    this.#integers.set([grid[0], grid[1] ?? 1, 1, rowThreads], word);
    const entries = [{ binding: 0, resource: { buffer: this.#arguments, offset, size: paramsLayout.byteLength } as object }];
    for (const { index, dimsOffset } of paramsLayout.arrayArgs) {
      const handle = inputs[index] as WebGpuHandle;
      const size = handle.output[0]!;
      this.#integers.set([size, 1, 1, size], word + dimsOffset / 4);
      entries.push({ binding: entries.length, resource: { buffer: handle.buffer } });
    }
    for (const { index, type, offset: at } of paramsLayout.scalarArgs)
      (type === "Integer" ? this.#integers : this.#floats)[word + at / 4] = inputs[index] as number;
    entries.push({ binding: entries.length, resource: { buffer } });
    const pass = this.#open();
    pass.setPipeline(computePipeline);
    pass.setBindGroup(0, this.#device.createBindGroup({ layout: bindGroupLayout, entries }));
    pass.dispatchWorkgroups(...groups, 1);
    return this.#handle(buffer, length);
  }

  /** The workgroups of a launch along x and y, and the threads of a row of workgroups where the threads form a line, otherwise 0. */
  #dispatchOf([x, y]: Grid): { readonly groups: readonly [x: number, y: number]; readonly rowThreads: number } {
    if (y !== undefined) return { groups: [Math.ceil(x / planeSide), Math.ceil(y / planeSide)], rowThreads: 0 };
    const groups = Math.ceil(x / workgroup);
    // More workgroups than an axis may have are folded into rows.
    const rows = Math.ceil(groups / this.#device.limits.maxComputeWorkgroupsPerDimension);
    const width = Math.ceil(groups / rows);
    return { groups: [width, rows], rowThreads: width * workgroup };
  }

  /** Copies numbers of the host to a new buffer. */
  upload(values: Float32Array): WebGpuHandle {
    this.flush(); // The buffer may be one that a recorded launch still reads.
    const buffer = this.#take(values.byteLength);
    this.#device.queue.writeBuffer(buffer, 0, values);
    return this.#handle(buffer, values.length);
  }

  /** Frees a result: one of gpu.js when no recorded launch can read it any more, one of the launcher at once. */
  free(handle: DeviceHandle): void {
    if (this.#pass === undefined || this.#own.has(handle)) handle.delete();
    else this.#freed.push(() => handle.delete());
  }

  /** Submits what was recorded. */
  flush(): void {
    if (this.#pass === undefined) return;
    this.#pass.end();
    const commands = this.#encoder!.finish();
    [this.#pass, this.#encoder] = [undefined, undefined];
    this.#device.queue.writeBuffer(this.#arguments, 0, this.#bytes, 0, this.#used);
    this.#device.queue.submit([commands]);
    this.#used = 0;
    const freed = this.#freed;
    this.#freed = [];
    for (const free of freed) free();
  }

  /** Frees the launcher's own buffers. Results can no longer be read. */
  close(): void {
    this.flush();
    this.#closed = true;
    this.#arguments.destroy();
    for (const buffers of this.#kept.values()) for (const buffer of buffers) buffer.destroy();
    this.#kept.clear();
  }

  #open(): GpuPass {
    if (this.#pass === undefined) {
      this.#encoder = this.#device.createCommandEncoder();
      this.#pass = this.#encoder.beginComputePass();
      // A program that waits for nothing, such as one that measures the device, must have its launches submitted too.
      queueMicrotask(() => this.flush());
    }
    return this.#pass;
  }

  /** Where the arguments of the next launch begin. */
  #reserve(byteLength: number): number {
    if (this.#used + byteLength > argumentBytes) this.flush();
    const offset = this.#used;
    this.#used += Math.ceil(byteLength / alignment) * alignment;
    return offset;
  }

  #take(size: number): GpuBuffer {
    const kept = this.#kept.get(size)?.pop();
    if (kept === undefined) return this.#device.createBuffer({ size, usage: usage.storage | usage.copySource | usage.copyTarget });
    this.#keptBytes -= size;
    return kept;
  }

  /** A freed buffer may be written at once: the device runs the launches in order. Only its destruction must wait for the submission. */
  #giveBack(buffer: GpuBuffer): void {
    if (this.#closed) buffer.destroy();
    else if (buffer.size <= largestKept && this.#keptBytes + buffer.size <= mostKept) {
      const kept = this.#kept.get(buffer.size) ?? [];
      this.#kept.set(buffer.size, kept);
      kept.push(buffer);
      this.#keptBytes += buffer.size;
    } else if (this.#pass === undefined) buffer.destroy();
    else this.#freed.push(() => buffer.destroy());
  }

  #handle(buffer: GpuBuffer, length: number): WebGpuHandle {
    let isFree = false;
    const handle: WebGpuHandle = {
      ...{ buffer, context: this.#context, output: [length], componentCount: 1 },
      toArray: () => this.#read(buffer, length),
      delete: () => {
        if (!isFree) this.#giveBack(buffer);
        isFree = true;
      },
    };
    this.#own.add(handle);
    return handle;
  }

  async #read(buffer: GpuBuffer, length: number): Promise<Float32Array> {
    this.flush();
    const staging = this.#device.createBuffer({ size: length * 4, usage: usage.mapRead | usage.copyTarget });
    try {
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, staging, 0, length * 4);
      this.#device.queue.submit([encoder.finish()]);
      await staging.mapAsync(mapModeRead, 0, length * 4);
      return new Float32Array(staging.getMappedRange(0, length * 4).slice(0));
    } finally {
      staging.destroy();
    }
  }
}
