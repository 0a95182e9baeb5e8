/** The programs that are killed: how each one is begun and goes on, what works beside it, and what it comes to. */

import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ProgramProcess } from "../cli/program-process.ts";
import { jobsLeft, type RedisProcess, startRedis } from "../cli/redis-server.ts";
import { jsonLines, resultsOf } from "../cli/run-cli.ts";
import { archiveOf, md5, officialFiles, smallFormat } from "../data/node/small-cifar.ts";

/** What is killed. A worker and a coordinator need a Redis. */
export const victimNames = ["train", "sweep", "report", "download", "worker", "coordinator"] as const;
export type VictimName = (typeof victimNames)[number];

export const needsRedis = (name: VictimName): boolean => name === "worker" || name === "coordinator";

export interface Victim {
  /** Starts the program in its folder, or lets it go on there. */
  start(folder: string): Promise<ProgramProcess>;
  /** The first event of the work. Before it, the program only loads. Undefined for a program that says nothing before its end. */
  readonly begins?: string;
  /** Starts a program that is not killed, and without which the victim cannot work. */
  beside?(folder: string): Promise<ProgramProcess>;
  /** Whether the work is over when the program beside the victim ends. Otherwise it is over when the victim ends. */
  readonly endsWithOther?: boolean;
  /** Everything that must not depend on kills. */
  outcome(folder: string): Promise<unknown>;
}

const training =
  "--data synthetic --limit-train 6 --limit-test 4 --batch-size 2 --epochs 2 --dropout 0.2 --threads 1 --backend wasm --tensorboard";

const grid = {
  settings: { data: "synthetic", limitTrain: 6, limitTest: 4, batchSize: 2, epochs: 1, threads: 1, backend: "wasm" },
  convolutions: ["Conv", "Sep"],
  seeds: [0],
};

/** The bytes of every file below a folder, by their digests. */
async function bytesBelow(folder: string): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const path = join(folder, name);
    if ((await stat(path)).isFile())
      digests[name] = createHash("sha256")
        .update(await readFile(path))
        .digest("hex");
  }
  return digests;
}

/** The lines of a sweep without what depends on time and place, and the numbers of its runs. */
async function sweepResults(folder: string): Promise<unknown> {
  const lines = jsonLines(await readFile(join(folder, "results.jsonl"), "utf8")).map(({ seconds: _, run: __, ...line }) => line);
  const runs = (await readdir(join(folder, "runs"))).sort();
  return {
    lines: lines.map((line) => JSON.stringify(line)).sort(),
    runs: await Promise.all(runs.map(async (id) => [id, await resultsOf(join(folder, "runs", id))])),
  };
}

/** A program that loads CIFAR from a server of this process. Its cache is the folder. */
function downloadProgram(url: string, archive: Uint8Array): string {
  const module = pathToFileURL(join(ProgramProcess.path, "../../node.js")).href;
  const options = { name: "cifar10", format: smallFormat("cifar10"), sources: { archive: { url, md5: md5(archive) } } };
  return `
import { loadCifar } from ${JSON.stringify(module)};
console.log(JSON.stringify({ event: "begin" }));
const { dataset } = await loadCifar({ ...${JSON.stringify(options)}, cache: process.argv[2] });
console.log(JSON.stringify({ event: "end", images: dataset.train.count }));
`;
}

export class Victims {
  readonly #work: string;
  #closing: (() => Promise<unknown>)[] = [];

  /** @param work An empty folder. */
  constructor(work: string) {
    this.#work = work;
  }

  /** Prepares what a victim needs. A report needs a run, a download a server, and a worker a Redis. */
  async prepare(name: VictimName): Promise<Victim> {
    await writeFile(join(this.#work, "grid.json"), JSON.stringify(grid));
    if (name === "train") return this.#train();
    if (name === "report") return this.#report();
    if (name === "download") return this.#download();
    if (name === "sweep")
      return {
        begins: "run-begin",
        start: async (folder) => this.#program(["sweep", "grid.json", "--out", folder, "--jobs", "1", "--json"]),
        outcome: (folder) => sweepResults(join(this.#work, folder)),
      };
    return this.#queue(name);
  }

  async close(): Promise<void> {
    await Promise.all(this.#closing.map((close) => close()));
  }

  #program(argv: readonly string[], file?: string): ProgramProcess {
    return new ProgramProcess(argv, { cwd: this.#work, ...(file === undefined ? {} : { file }) });
  }

  #train(): Victim {
    return {
      begins: "start",
      start: async (folder) => {
        const names = await readdir(join(this.#work, folder)).catch((): string[] => []);
        const begun = names.includes("config.json");
        return this.#program([...(begun ? ["train", "--resume", folder] : ["train", ...training.split(" "), "--run", folder]), "--json"]);
      },
      outcome: (folder) => resultsOf(join(this.#work, folder)),
    };
  }

  async #report(): Promise<Victim> {
    const { code, stderr } = await this.#program(["train", ...training.split(" "), "--run", "reported", "--json"]).ended;
    if (code !== 0) throw new Error(`the run of the report must end, got ${stderr}`);
    return {
      start: async (folder) => this.#program(["report", "reported", "--pictures", "1", "--out", folder, "--json"]),
      outcome: (folder) => bytesBelow(join(this.#work, folder)),
    };
  }

  async #download(): Promise<Victim> {
    const format = smallFormat("cifar10");
    const archive = await archiveOf(format.folder, officialFiles(format));
    // Piece by piece, each in a turn of its own, so that a kill can fall between two of them.
    const server = createServer(async (_, response) => {
      response.writeHead(200, { "Content-Length": archive.length });
      for (let at = 0; at < archive.length && !response.destroyed; at += 512) {
        response.write(archive.subarray(at, at + 512));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#closing.push(() => new Promise((resolve) => server.close(resolve)));
    const file = join(this.#work, "download.mjs");
    await writeFile(file, downloadProgram(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, archive));
    return {
      begins: "begin",
      start: async (folder) => this.#program([folder], file),
      outcome: (folder) => bytesBelow(join(this.#work, folder)),
    };
  }

  async #queue(killed: "worker" | "coordinator"): Promise<Victim> {
    const redis: RedisProcess = await startRedis(this.#work);
    this.#closing.push(() => redis.stop());
    const coordinate = async (folder: string): Promise<ProgramProcess> =>
      this.#program(["sweep", "grid.json", "--out", folder, "--redis", redis.url, "--json"]);
    // A worker counts as dead after a second, so that its run moves on soon.
    const options = ["--redis", redis.url, "--jobs", "1", "--threads", "1", "--silence", "1", "--json"];
    const work = async (): Promise<ProgramProcess> => this.#program(["sweep-worker", ...options]);
    return {
      ...(killed === "worker"
        ? { begins: "run-begin", start: work, beside: coordinate, endsWithOther: true }
        : { begins: "begin", start: coordinate, beside: work }),
      outcome: async (folder) => ({ results: await sweepResults(join(this.#work, folder)), jobs: await jobsLeft(redis.url) }),
    };
  }
}
