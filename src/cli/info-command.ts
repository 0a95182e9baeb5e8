/** `separable info`: describes this machine, for bug reports and for the choice of options. */

import { existsSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { kernels, memory } from "../backend/active.ts";
import type { GpuBackend } from "../backend/gpu/gpu-backend.ts";
import { placementLines, wasmPlacement } from "../backend/placement.ts";
import type { Simd } from "../backend/wasm/host/simd.ts";
import { cifarFormats } from "../data/cifar-format.ts";
import { cacheFolder } from "../data/node/cache-folder.ts";
import { type BackendOption, backendHelp, backendRule } from "../experiment/backend-names.ts";
import { asGpu, describeBackend, startBackend } from "../experiment/node/start-backend.ts";
import { packageVersion } from "../experiment/node/version.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { formatMegabytes, formatRows } from "./format.ts";
import { addWasmOptions } from "./setting-options.ts";
import { writeJson } from "./terminal.ts";

interface InfoOptions {
  readonly backend: BackendOption;
  readonly threads?: number;
  readonly simd?: Simd;
  readonly json?: boolean;
}

export function infoCommand(command: Command, context: CommandContext): void {
  command.option("--backend <name>", `one of ${backendHelp}`, argument("info", "--backend", backendRule), "auto");
  addWasmOptions(command);
  command.option("--json", "print one JSON object to stdout").action((options: InfoOptions) => describeMachine(options, context));
}

async function describeMachine({ backend: wanted, threads, simd, json = false }: InfoOptions, { terminal }: CommandContext): Promise<void> {
  const backend = await startBackend({ backend: wanted, threads, simd });
  const gpu = asGpu(kernels());
  const { node, v8 } = process.versions;
  const cores = availableParallelism();
  const processor = cpus()[0]?.model.trim() ?? "unknown";
  const cache = cacheFolder();
  const cached = Object.values(cifarFormats).flatMap(({ name, folder }) => (existsSync(join(cache, folder)) ? [name] : []));
  const platform = `${process.platform}-${process.arch}`;
  if (json) {
    writeJson(terminal.stdout, {
      separable: packageVersion(),
      node,
      v8,
      platform,
      processor,
      cores,
      backend: gpu === undefined ? backend : { ...backend, selfTest: "passed" },
      ...(backend.name === "wasm" ? { kernels: wasmPlacement() } : {}),
      memory: memory(),
      cache,
      cached,
    });
    return;
  }
  const { used, peak, reserved } = memory();
  const rows = [
    ["separable", packageVersion()],
    ["node", `${node} (V8 ${v8}), ${platform}`],
    ["machine", `${cores} cores, ${processor}`],
    ["backend", describeBackend(backend)],
    ...(backend.note === undefined ? [] : [["note", backend.note]]),
    ...placementLines(backend.name),
    ...(gpu === undefined ? [] : deviceRows(gpu)),
    ["memory", `${formatMegabytes(used)} in use, ${formatMegabytes(peak)} at most, ${formatMegabytes(reserved)} reserved`],
    ["cache", `${cache} (${cached.length > 0 ? cached.join(", ") : "empty"})`],
  ];
  terminal.stdout.write(formatRows(rows, 11));
}

/** The rows on a device. A device that fails its self-test does not start, so that its self-test has passed here. */
const deviceRows = ({ name, adapter: { name: adapter, software, maximumBytes } }: GpuBackend): [string, string][] => [
  ["mode", `${name} of gpu.js`],
  ["adapter", `${adapter}, ${software ? "software: the processor computes" : "hardware"}`],
  ["limits", `${formatMegabytes(maximumBytes)} in the largest storage, float32 only`],
  ["self-test", "passed"],
];
