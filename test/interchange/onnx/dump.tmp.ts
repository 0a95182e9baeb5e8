import { readFileSync } from "node:fs";
import { decodeModel } from "./onnx-schema.ts";

const m = decodeModel(readFileSync(process.argv[2]!));
const shapes = new Map([...m.graph.valueInfo, ...m.graph.output].map((v) => [v.name, v.type.tensorType.shape.dim.map((d) => d.dimValue)]));
if (process.argv[3]) for (const n of m.graph.node) console.log(n.opType, n.input.join(", "), "->", n.name, `[${shapes.get(n.name)}]`);
const hist: Record<string, number> = {};
for (const n of m.graph.node) hist[n.opType] = (hist[n.opType] ?? 0) + 1;
console.log(process.argv[2], m.graph.node.length, JSON.stringify(hist));
if (process.argv[3]) console.log(m.graph.initializer.map((i) => `${i.name}[${i.dims}]`).join(" "));
