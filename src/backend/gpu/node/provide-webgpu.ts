/**
 * WebGPU for Node, which has none of its own. The user installs the package `webgpu` (Dawn), and this file puts it where browsers have
 * `navigator.gpu`. Dawn needs a Vulkan driver on Linux. A machine without a graphics card can use a software driver such as SwiftShader:
 * set VK_ICD_FILENAMES to its description before Node starts.
 */

import { BackendError } from "../../../core/errors.ts";

interface Dawn {
  /** The caller must keep a reference to the result for as long as it uses devices. */
  create(options: readonly string[]): object;
  readonly globals: Record<string, unknown>;
}

/** Sets `navigator.gpu`, unless it is there already. @throws BackendError when the package webgpu cannot be loaded. */
export async function provideWebGpu(): Promise<void> {
  if (typeof navigator !== "undefined" && "gpu" in navigator && navigator.gpu) return;
  const name = "webgpu"; // The name is a variable so that bundlers and the compiler do not require this optional package.
  const dawn = (await import(name).catch((error: unknown) => {
    throw new BackendError("webgpu: Node needs the package webgpu, which cannot be loaded; npm install webgpu", { cause: error });
  })) as Dawn;
  for (const [key, value] of Object.entries(dawn.globals)) if (!(key in globalThis)) Object.assign(globalThis, { [key]: value });
  const gpu = dawn.create([]);
  // Node 20 has no `navigator`; Node 21 and later have one without `gpu`.
  if (typeof navigator === "undefined") Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  else Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
}
