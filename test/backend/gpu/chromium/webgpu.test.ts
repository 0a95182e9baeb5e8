import { gpuSuites } from "../gpu-suites.ts";

await gpuSuites("webgpu", { place: "Chromium" });
