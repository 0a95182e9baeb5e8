import { gpuSuites } from "../gpu-suites.ts";

await gpuSuites("cpu", { place: "Node" });
