/** A Redis of the test's own, on a free port and with nothing on the disk. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { createInterface } from "node:readline";
import { Queue } from "bullmq";
import { queueName } from "../../src/experiment/node/sweep/redis/connection.ts";

export const redisAvailable = spawnSync("redis-server", ["--version"]).status === 0;

export interface RedisProcess {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export interface RedisPlace {
  /** The command line that runs Redis on another machine. Default: none. */
  readonly prefix?: readonly string[];
  /** Default: 127.0.0.1. */
  readonly address?: string;
  /** A file of settings, for those that must not stand on a command line. Default: none. */
  readonly config?: string;
  /** Whether Redis speaks TLS alone. The options have its certificates then. Default: false. */
  readonly tls?: boolean;
}

export async function startRedis(
  folder: string,
  options: readonly string[] = [],
  { prefix = [], address = "127.0.0.1", config, tls = false }: RedisPlace = {},
): Promise<RedisProcess> {
  const port = await freePort();
  const ports = tls ? ["--port", "0", "--tls-port", String(port)] : ["--port", String(port)];
  const where = [...ports, "--bind", address, "--dir", folder, "--save", ""];
  const [command, ...rest] = [...prefix, "redis-server", ...(config === undefined ? [] : [config]), ...where, ...options];
  const child: ChildProcess = spawn(command!, rest, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`redis-server must start, got exit ${code}`)));
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (line.includes("Ready to accept connections")) resolve();
    });
  });
  return {
    url: `${tls ? "rediss" : "redis"}://${address}:${port}`,
    port,
    stop: async () => {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** The states of the jobs that Redis still holds. */
export async function jobsLeft(url: string): Promise<string[]> {
  const queue = new Queue(queueName(), { connection: { url } });
  try {
    return await Promise.all((await queue.getJobs()).map((job) => job.getState()));
  } finally {
    await queue.close();
  }
}
