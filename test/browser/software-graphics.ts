/** The flags with which Chromium has one graphics interface, on a software driver, so that it computes the same on every machine. */
export const softwareGraphics = {
  webgl2: ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
  webgpu: ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"],
} as const;
