import { provideWebGpu } from "../../../../src/backend/gpu/node/provide-webgpu.ts";
import { gpuSuites } from "../gpu-suites.ts";

await gpuSuites("webgpu", { place: "Node", prepare: provideWebGpu });
