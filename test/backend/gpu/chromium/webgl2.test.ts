import { gpuSuites } from "../gpu-suites.ts";

await gpuSuites("webgl2", { place: "Chromium" });
