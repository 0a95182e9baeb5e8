/** The options by which `sweep` and `sweep-worker` find Redis. */

import type { Command } from "commander";
import { type RedisServer, reachRedis } from "../experiment/node/sweep/redis/connection.ts";
import { holdsPassword, redisAccess, redisUrl } from "../experiment/node/sweep/redis/redis-access.ts";
import { path } from "../experiment/rules.ts";
import { argument } from "./argument.ts";
import { type Terminal, writeNote } from "./terminal.ts";

export interface RedisOptions {
  /** `true` where `--redis` has no argument. */
  readonly redis?: string | true | undefined;
  readonly redisCa?: string | undefined;
}

/** @param use What Redis is for, as the help says it. */
export function addRedisOptions(command: Command, use: string): void {
  command
    .option(
      "--redis [url]",
      `${use}: ${redisUrl.allowed} (default: REDIS_URL); the password is taken from REDIS_PASSWORD, the user from REDIS_USERNAME`,
      argument(command.name(), "--redis", redisUrl),
    )
    .option("--redis-ca <file>", "certificates (PEM) by which a rediss:// server is known", argument(command.name(), "--redis-ca", path));
}

/** Connects to the Redis of the options. @throws ConfigError without an address, DataError for a Redis that cannot be used. */
export function redisOf(owner: string, { redis, redisCa }: RedisOptions, terminal: Terminal): Promise<RedisServer> {
  const onNote = (note: string): void => writeNote(terminal, note);
  if (typeof redis === "string" && holdsPassword(redis))
    onNote("every user of this machine can read the password in --redis; give it as REDIS_PASSWORD instead");
  return reachRedis(redisAccess(owner, redis, redisCa, process.env), onNote);
}
