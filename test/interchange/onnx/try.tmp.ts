import { writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
import { initBackend } from "../../../src/backend/active.ts";
import { parseConvolution } from "../../../src/cli/spec.ts";
import { Random } from "../../../src/core/random.ts";
import { exportOnnx } from "../../../src/interchange/onnx/export-onnx.ts";
import { WideResNet } from "../../../src/models/wide-resnet.ts";
import { normal } from "../../../src/ops/creation.ts";
import { convolutionFactory } from "../../../src/structured/families.ts";
import { noGrad } from "../../../src/tape/tape.ts";

await initBackend(["reference"]);
ort.env.wasm.numThreads = 1;
const specs = process.argv.slice(2);
for (const text of specs)
  for (const weights of ["contracted", "folded"] as const) {
    const random = new Random(3);
    const net = new WideResNet({ depth: 10, width: 1, convolution: convolutionFactory(parseConvolution(text)) }, { random });
    const x = normal([2, 3, 16, 16], random);
    const y = await noGrad(() => net.forward(x, { training: false })).data();
    const bytes = await exportOnnx(net, { imageShape: [3, 16, 16], batch: 2, weights });
    writeFileSync(`/tmp/${text}-${weights}.onnx`, bytes);
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 2, graphOptimizationLevel: "disabled" });
    const out = await session.run({ images: new ort.Tensor("float32", (await x.data()) as Float32Array, [2, 3, 16, 16]) });
    const z = out.logits!.data as Float32Array;
    const scale = Math.max(...y.map(Math.abs));
    const err = Math.max(...Array.from(y, (v, i) => Math.abs(v - z[i]!))) / scale;
    console.log(text, weights, bytes.length, err, out.logits!.dims);
  }
