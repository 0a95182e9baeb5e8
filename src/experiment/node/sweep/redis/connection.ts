/** Connects to Redis through BullMQ. BullMQ is an optional package, so it is loaded only when a connection is asked for. */

import type { ConnectionOptions } from "bullmq";
import { DataError } from "../../../../core/errors.ts";
import { describeError } from "../../../../core/node/system-error.ts";
import { loadOptional } from "../../../../core/optional-package.ts";
import { visible } from "../../../../core/quote.ts";
import { packageVersion } from "../../version.ts";
import { describeRedis, type RedisAccess, socketOptions } from "./redis-access.ts";

/** Milliseconds to wait for an answer of Redis, and between two tries. */
const patience = 5000;
const betweenTries = 1000;

/** The name of the queue. Each version of this package has a queue of its own, since versions may differ in their numbers. */
export const queueName = (): string => `separable-sweep-${packageVersion()}`;

export interface RedisServer {
  /** @internal The published types leave it out, because a user may not have BullMQ and its types. */
  readonly bullmq: typeof import("bullmq");
  /** The address without its password. */
  readonly address: string;
  /** @internal */
  readonly connection: ConnectionOptions;
  /** Reports an error of Redis. The same error is reported once a minute. */
  readonly onError: (error: Error) => void;
  /** Ends the attempts to reconnect, also of connections that break later. */
  leave(): void;
}

/**
 * Loads BullMQ and makes sure that Redis answers. From then on, a connection that breaks reconnects, for as long as it takes.
 *
 * @throws ConfigError without BullMQ, DataError when Redis does not answer within seconds or refuses the connection.
 */
export async function reachRedis(access: RedisAccess, onNote: (note: string) => void): Promise<RedisServer> {
  const address = describeRedis(access.url);
  const socket = await socketOptions(access);
  const bullmq = await loadOptional("redis", ["bullmq"], () => import("bullmq"));
  let leaving = false;
  const connection: ConnectionOptions = {
    ...socket,
    connectTimeout: patience,
    // With `null`, commands wait while the connection is broken. With a number, they would fail after so many attempts.
    maxRetriesPerRequest: null,
    retryStrategy: () => (leaving ? null : betweenTries),
  };
  const first = new bullmq.Queue(queueName(), { connection: { ...connection, retryStrategy: () => null } });
  // Redis reports a database that does not exist only by an event, and the connection would use another database.
  const errors: Error[] = [];
  first.on("error", (error) => errors.push(error));
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([
      first.waitUntilReady(),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${patience / 1000} s`)), patience);
      }),
    ]);
    if (errors[0] !== undefined) throw errors[0];
  } catch (error) {
    // The error is no cause of the new one: it holds the command that failed, which may be the one with the password.
    throw new DataError(
      `redis: ${address} must be a Redis that accepts this connection, got ${messageOf(error)}; ` +
        "start it, or correct --redis, --redis-ca, REDIS_USERNAME and REDIS_PASSWORD",
    );
  } finally {
    clearTimeout(timer);
    await first.close().catch(() => undefined);
  }
  const leave = (): void => {
    leaving = true;
  };
  return { bullmq, address, connection, onError: throttled((message) => !leaving && onNote(`${address}: ${message}`)), leave };
}

const messageOf = (error: unknown): string => visible(describeError(error), 500);

function throttled(say: (message: string) => unknown): (error: Error) => void {
  const said = new Map<string, number>();
  return (error) => {
    const message = messageOf(error);
    if (Date.now() - (said.get(message) ?? 0) < 60_000) return;
    said.set(message, Date.now());
    say(message);
  };
}

/** Waits for connections to close, but not longer than `patience`. @returns whether all of them closed. */
export async function closeAll(closing: readonly (Promise<unknown> | undefined)[]): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), patience);
  });
  const closed = await Promise.race([Promise.allSettled(closing).then(() => true), enough]);
  clearTimeout(timer);
  return closed;
}
