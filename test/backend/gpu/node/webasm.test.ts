import { gpuSuites } from "../gpu-suites.ts";

await gpuSuites("webasm", { place: "Node" });
