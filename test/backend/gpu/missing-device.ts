/** Why this machine or browser has no device for a mode. This file runs in Node and in browsers. */

/** Why there is no WebGPU. The answer comes from `navigator.gpu` alone, not from gpu.js or the backend under test. */
export async function missingWebGpu(): Promise<string | undefined> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  if (gpu === undefined) return "there is no navigator.gpu";
  if ((await gpu.requestAdapter()) !== null) return undefined;
  return "no adapter answers; install libvulkan1 and chromium, or set VK_ICD_FILENAMES to a Vulkan driver";
}

/** Why WebGL 2 cannot run here: the browser lacks it, or it cannot render floats. */
export function missingWebGl2(): string | undefined {
  const context = document.createElement("canvas").getContext("webgl2");
  if (context === null) return "the browser has no WebGL 2";
  return context.getExtension("EXT_color_buffer_float") === null ? "the WebGL 2 of the browser cannot render floats" : undefined;
}
