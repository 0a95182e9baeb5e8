/** What a reader must know to compare the times: the instructions of the processor, and which Python has PyTorch. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { ConfigError } from "../../../src/core/errors.ts";

/** The vector instructions that the kernels of either side can use, of those that the processor has. Empty where Linux does not tell. */
export function vectorInstructions(cpuinfo: string = readCpuInfo()): string[] {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/));
  return ["avx", "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_tile"].filter((flag) =>
    flags.has(flag),
  );
}

function readCpuInfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}

/** Whether the program is a Python that can import PyTorch, or the reason why not. */
export type PythonProbe = (python: string) => "has torch" | { readonly reason: string };

const probe: PythonProbe = (python) => {
  try {
    execFileSync(python, ["-c", "import torch"], { stdio: ["ignore", "ignore", "pipe"] });
    return "has torch";
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer };
    return { reason: code ?? stderr?.toString().trim().split("\n").at(-1) ?? "failed" };
  }
};

/** The first Python that has PyTorch. @throws ConfigError with the reason of each that has not. */
export function findPython(candidates: readonly string[], probing: PythonProbe = probe): string {
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const result = probing(candidate);
    if (result === "has torch") return candidate;
    reasons.push(`${candidate} (${result.reason})`);
  }
  throw new ConfigError(
    `bench:torch: needs a Python with PyTorch, got ${reasons.join(", ")}; ` +
      "install one (on Debian and Ubuntu: apt-get install python3-torch), or name it with --python",
  );
}
