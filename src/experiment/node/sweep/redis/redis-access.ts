/**
 * Where Redis is, and how a program proves that it may use Redis. A password can come from the environment, because all users of a machine
 * can read the command line of a process.
 */

import { readFile } from "node:fs/promises";
import { ConfigError } from "../../../../core/errors.ts";
import { errorCode } from "../../../../core/node/system-error.ts";
import { type Rule, text } from "../../../rules.ts";

/** The variables of the environment, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The address of a Redis, and what a connection needs. */
export interface RedisAccess {
  /** `redis://host[:port][/db]`, or `rediss://` for TLS. It may hold a user and a password. */
  readonly url: string;
  /** Default: the user of the URL, or else Redis's user `default`. */
  readonly username?: string | undefined;
  /** Default: the password of the URL, or else none. */
  readonly password?: string | undefined;
  /** The file of the certificates that sign the certificate of Redis, as PEM. Default: the certificates that Node trusts. */
  readonly ca?: string | undefined;
}

/** Why a text is no address of a Redis; undefined for an address. The text may hold a password, so no answer repeats it. */
function refusal(value: string): string | undefined {
  if (!URL.canParse(value)) return "a text that is no URL";
  const { protocol, hostname, pathname, search, hash, username, password } = new URL(value);
  if (!/^rediss?:$/.test(protocol)) return `a URL of ${protocol}//`;
  if (hostname === "") return "a URL without a host";
  if (!/^\/?\d*$/.test(pathname)) return "a path that is not the number of a database";
  if (search + hash !== "") return "a URL with ? or #";
  return isEncoded(username) && isEncoded(password) ? undefined : "a user or a password with a % that begins no code";
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

const allowed = "redis://host[:port][/db], or rediss:// for TLS";

/** The rule of `--redis`. */
export const redisUrl: Rule<string> = {
  ...text(allowed, (value) => {
    if (refusal(value) !== undefined) throw new ConfigError("redis: not an address");
  }),
  refusal: (value) => `must be ${allowed}, got ${refusal(value)}`,
};

/** The address without user and password, for messages. */
export function describeRedis(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}

/**
 * The access that options and environment describe: the URL is `--redis` or REDIS_URL, and the password is REDIS_PASSWORD or in the URL.
 * @param url `true` where `--redis` has no argument, or undefined where the option is not given.
 * @throws ConfigError without an address, for a text that is no address, and for certificates without TLS.
 */
export function redisAccess(owner: string, url: string | true | undefined, ca: string | undefined, environment: Environment): RedisAccess {
  const { REDIS_URL, REDIS_USERNAME, REDIS_PASSWORD } = environment;
  const [given, origin] = typeof url === "string" ? [url, "--redis"] : [REDIS_URL, "REDIS_URL"];
  if (given === undefined || given === "")
    throw new ConfigError(`${owner}: --redis must be ${allowed}, got none, and none in REDIS_URL; give one of them`);
  const wrong = refusal(given);
  if (wrong !== undefined) throw new ConfigError(`${owner}: ${origin} must be ${allowed}, got ${wrong}`);
  if (ca !== undefined && new URL(given).protocol !== "rediss:")
    throw new ConfigError(`${owner}: --redis-ca belongs to an address with rediss://, got ${describeRedis(given)}`);
  return { url: given, username: REDIS_USERNAME || undefined, password: REDIS_PASSWORD || undefined, ca };
}

/** Whether an address holds a password. */
export const holdsPassword = (url: string): boolean => new URL(url).password !== "";

interface SocketOptions {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: { readonly ca?: string };
}

/** The options of a connection. @throws ConfigError for a file of certificates that cannot be read or holds none. */
export async function socketOptions({ url, username, password, ca }: RedisAccess): Promise<SocketOptions> {
  const { protocol, hostname, port, pathname, username: urlUser, password: urlPassword } = new URL(url);
  const user = username ?? decodeURIComponent(urlUser);
  const word = password ?? decodeURIComponent(urlPassword);
  const certificates = ca === undefined ? undefined : await readCertificates(ca);
  return {
    // An IPv6 address stands in brackets in a URL only.
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? 6379 : Number(port),
    db: Number(pathname.slice(1)),
    ...(user === "" ? {} : { username: user }),
    ...(word === "" ? {} : { password: word }),
    ...(protocol === "rediss:" ? { tls: certificates === undefined ? {} : { ca: certificates } } : {}),
  };
}

async function readCertificates(path: string): Promise<string> {
  const content = await readFile(path, "utf8").catch((error: unknown) => {
    throw new ConfigError(`redis: --redis-ca must be a readable file, got ${errorCode(error) ?? error} for ${path}`, { cause: error });
  });
  if (!content.includes("-----BEGIN CERTIFICATE-----"))
    throw new ConfigError(`redis: --redis-ca must hold certificates as PEM, got none in ${path}; name the file of the authority`);
  return content;
}
