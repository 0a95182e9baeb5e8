/** A Redis of the test's own, on a free port and with nothing on the disk. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { createInterface } from "node:readline";

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

export async function startRedis(folder: string, options: readonly string[] = []): Promise<RedisProcess> {
  const port = await freePort();
  const where = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
  const child: ChildProcess = spawn("redis-server", [...where, ...options], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`redis-server must start, got exit ${code}`)));
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (line.includes("Ready to accept connections")) resolve();
    });
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    stop: async () => {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}
