/**
 * WebGPU for Node, which has none of its own: the package `webgpu` (Dawn), installed by the user, put where browsers have it. The process
 * must find a Vulkan driver; without a graphics card a software one does, such as SwiftShader's, named by VK_ICD_FILENAMES before Node starts.
 */

import { BackendError } from "../../../core/errors.ts";

interface Dawn {
  /** Must stay referenced for as long as devices are used. */
  create(options: readonly string[]): object;
  readonly globals: Record<string, unknown>;
}

/** Does nothing where there is WebGPU already. @throws BackendError when the package webgpu cannot be loaded. */
export async function provideWebGpu(): Promise<void> {
  if (typeof navigator !== "undefined" && "gpu" in navigator && navigator.gpu) return;
  const name = "webgpu"; // a variable, so that bundlers and the compiler leave a package alone that need not be there
  const dawn = (await import(name).catch((error: unknown) => {
    throw new BackendError("webgpu: Node needs the package webgpu, which cannot be loaded; npm install webgpu", { cause: error });
  })) as Dawn;
  for (const [key, value] of Object.entries(dawn.globals)) if (!(key in globalThis)) Object.assign(globalThis, { [key]: value });
  const gpu = dawn.create([]);
  // Node 21 and later have a navigator, Node 20 has none.
  if (typeof navigator === "undefined") Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  else Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
}
