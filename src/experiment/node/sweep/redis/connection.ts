/** Connects to Redis through BullMQ. BullMQ is an optional package, so it is loaded only when a connection is asked for. */

import type { ConnectionOptions } from "bullmq";
import { ConfigError, DataError } from "../../../../core/errors.ts";
import { loadOptional } from "../../../../core/optional-package.ts";
import { type Rule, text } from "../../../rules.ts";
import { packageVersion } from "../../version.ts";

/** Milliseconds to wait for an answer of Redis, and between two tries. */
const patience = 5000;
const betweenTries = 1000;

export const redisUrl: Rule<string> = text("redis://[[user]:password@]host[:port][/db], or rediss:// for TLS", (value) => {
  const { protocol, hostname, pathname, search, hash } = URL.canParse(value) ? new URL(value) : new URL("none:");
  if (!/^rediss?:$/.test(protocol) || hostname === "" || !/^\/?\d*$/.test(pathname) || search + hash !== "")
    throw new ConfigError("redis: not an address");
});

/** The address without its password, for messages. */
export function describeRedis(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}

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
export async function reachRedis(url: string, onNote: (note: string) => void): Promise<RedisServer> {
  const bullmq = await loadOptional("redis", ["bullmq"], () => import("bullmq"));
  const address = describeRedis(url);
  let leaving = false;
  const connection = {
    url,
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
    throw new DataError(
      `redis: ${address} must be a Redis that accepts this connection, got ${messageOf(error)}; start it, or correct --redis`,
      {
        cause: error,
      },
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

/** The message of an error. For a host with several addresses Node throws an AggregateError, whose own message is empty. */
const messageOf = (error: unknown): string =>
  error instanceof AggregateError ? error.errors.map(messageOf).join(", ") : error instanceof Error ? error.message : String(error);

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
