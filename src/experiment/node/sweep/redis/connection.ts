/** The way to BullMQ and its Redis. BullMQ is an optional package: it is loaded here, when it is asked for, and nowhere else. */

import type { ConnectionOptions } from "bullmq";
import { ConfigError, DataError } from "../../../../core/errors.ts";
import { errorCode } from "../../../../data/node/system-error.ts";
import { type Rule, text } from "../../../rules.ts";
import { packageVersion } from "../../version.ts";

/** Whatever takes longer to answer does not answer. */
const patience = 5000;
const betweenTries = 1000;

export const redisUrl: Rule<string> = text("redis://[[user]:password@]host[:port][/db], or rediss:// for TLS", (value) => {
  const { protocol, hostname, pathname, search, hash } = URL.canParse(value) ? new URL(value) : new URL("none:");
  if (!/^rediss?:$/.test(protocol) || hostname === "" || !/^\/?\d*$/.test(pathname) || search + hash !== "")
    throw new ConfigError("redis: not an address");
});

/** The address without its password: for messages. */
export function describeRedis(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}

/** Workers of another version would come to other numbers: each version has a queue of its own. */
export const queueName = (): string => `separable-sweep-${packageVersion()}`;

export interface RedisServer {
  readonly bullmq: typeof import("bullmq");
  /** Without its password. */
  readonly address: string;
  readonly connection: ConnectionOptions;
  /** Says what Redis has to complain of, once a minute while it lasts. */
  readonly onError: (error: Error) => void;
  /** A connection that is broken, or breaks from now on, is not taken up again: nobody waits for a Redis that is gone. */
  leave(): void;
}

/**
 * Loads BullMQ, and makes sure that Redis answers: from then on connections that break are taken up again for as long as it takes.
 * @throws ConfigError without BullMQ, DataError when Redis does not answer within seconds or refuses us.
 */
export async function reachRedis(url: string, onNote: (note: string) => void): Promise<RedisServer> {
  const bullmq = await loadBullmq();
  const address = describeRedis(url);
  let leaving = false;
  const connection = {
    url,
    connectTimeout: patience,
    // Commands wait for a connection that is broken; without `null` they would fail after a while.
    maxRetriesPerRequest: null,
    retryStrategy: () => (leaving ? null : betweenTries),
  };
  const first = new bullmq.Queue(queueName(), { connection: { ...connection, retryStrategy: () => null } });
  // A database that does not exist is told in an event alone; the connection would go on with another.
  const complaints: Error[] = [];
  first.on("error", (error) => complaints.push(error));
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([
      first.waitUntilReady(),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${patience / 1000} s`)), patience);
      }),
    ]);
    if (complaints[0] !== undefined) throw complaints[0];
  } catch (error) {
    throw new DataError(`redis: ${address} must be a Redis that lets us in, got ${messageOf(error)}; start it, or correct --redis`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    await first.close().catch(() => undefined);
  }
  const leave = (): void => {
    leaving = true;
  };
  return { bullmq, address, connection, onError: throttled((message) => !leaving && onNote(`${address}: ${message}`)), leave };
}

async function loadBullmq(): Promise<typeof import("bullmq")> {
  try {
    return await import("bullmq");
  } catch (error) {
    if (errorCode(error) !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new ConfigError("redis: sweeps by Redis need the package bullmq, got none; npm install bullmq@5", { cause: error });
  }
}

/** Of a name with several addresses Node reports all failures in one, whose own message is empty. */
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

/** Waits for connections to close, but not for a Redis that is gone. @returns whether they did. */
export async function closeAll(closing: readonly (Promise<unknown> | undefined)[]): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), patience);
  });
  const closed = await Promise.race([Promise.allSettled(closing).then(() => true), enough]);
  clearTimeout(timer);
  return closed;
}
