/**
 * Machines of a network, as far as Redis and its workers can tell: network namespaces, each with a link of its own to a bridge. A link can
 * be cut, as when somebody pulls a cable.
 */

import { execFileSync, spawnSync } from "node:child_process";

const ip = (...argv: string[]): void => void execFileSync("ip", argv, { stdio: ["ignore", "ignore", "pipe"] });

/** Why this machine cannot have such a network; undefined where it can. */
export function networkRefusal(): string | undefined {
  if (spawnSync("ip", ["-V"]).status !== 0) return "no iproute2; install it (Debian: apt-get install iproute2)";
  if (spawnSync("openssl", ["version"]).status !== 0) return "no openssl; install it (Debian: apt-get install openssl)";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const probe = `sep-probe-${process.pid}`;
  if (spawnSync("ip", ["netns", "add", probe]).status !== 0) return "this system allows no network namespaces";
  const [bridge, veth] = [`sepb${process.pid}`.slice(0, 15), `sepv${process.pid}`.slice(0, 15)];
  const made =
    spawnSync("ip", ["link", "add", bridge, "type", "bridge"]).status === 0 &&
    spawnSync("ip", ["link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", probe]).status === 0;
  for (const name of [bridge, veth]) spawnSync("ip", ["link", "delete", name]);
  spawnSync("ip", ["netns", "delete", probe]);
  return made ? undefined : "this system allows no bridges or virtual links";
}

export interface Machine {
  /** The command line that runs a program on this machine. */
  readonly prefix: readonly string[];
  readonly address: string;
  cut(): void;
  mend(): void;
}

export interface Network {
  readonly machines: readonly Machine[];
  close(): void;
}

/** Makes `count` machines that reach one another. The switch between them is in a namespace too, so this machine's network stays as it is. */
export function createNetwork(count: number): Network {
  const name = (what: string): string => `sep-${process.pid}-${what}`;
  const hub = name("hub");
  const made: string[] = [];
  const close = (): void => {
    for (const namespace of made.reverse()) spawnSync("ip", ["netns", "delete", namespace]);
  };
  try {
    ip("netns", "add", hub);
    made.push(hub);
    ip("-n", hub, "link", "add", "switch", "type", "bridge");
    ip("-n", hub, "link", "set", "switch", "up");
    const machines = Array.from({ length: count }, (_, i): Machine => {
      const namespace = name(`machine${i}`);
      const address = `10.213.77.${i + 1}`;
      ip("netns", "add", namespace);
      made.push(namespace);
      ip("-n", hub, "link", "add", `port${i}`, "type", "veth", "peer", "name", "eth0", "netns", namespace);
      ip("-n", hub, "link", "set", `port${i}`, "master", "switch", "up");
      ip("-n", namespace, "link", "set", "lo", "up");
      ip("-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0");
      ip("-n", namespace, "link", "set", "eth0", "up");
      return {
        prefix: ["ip", "netns", "exec", namespace],
        address,
        cut: () => ip("-n", hub, "link", "set", `port${i}`, "down"),
        mend: () => ip("-n", hub, "link", "set", `port${i}`, "up"),
      };
    });
    return { machines, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The certificate of an authority, and a key and a certificate of a server with an address, in a folder. */
export function createCertificates(folder: string, address: string): { readonly ca: string; readonly options: readonly string[] } {
  const openssl = (...argv: string[]): void => void execFileSync("openssl", argv, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  openssl("req", "-x509", ...key, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem");
  const names = ["-subj", "/CN=queue", "-addext", `subjectAltName=IP:${address}`, "-addext", "basicConstraints=critical,CA:FALSE"];
  openssl("req", "-x509", ...key, ...names, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "redis.key", "-out", "redis.pem");
  const files = [
    "--tls-cert-file",
    `${folder}/redis.pem`,
    "--tls-key-file",
    `${folder}/redis.key`,
    "--tls-ca-cert-file",
    `${folder}/ca.pem`,
  ];
  return { ca: `${folder}/ca.pem`, options: [...files, "--tls-auth-clients", "no"] };
}
