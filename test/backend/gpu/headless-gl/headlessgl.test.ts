import { gpuSuites } from "../gpu-suites.ts";

await gpuSuites("headlessgl", { place: "Node" });
