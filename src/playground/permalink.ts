/**
 * Settings as the hash of an address: `#data=synthetic&b=TensorTrain_0.5&seed=3`. A link that holds the threads and the build of the kernels
 * replays a run bit for bit on a machine that has both. Choices that are left out have their defaults.
 */

import { DataError } from "../core/errors.ts";
import { quote } from "../core/quote.ts";
import type { Rule } from "../experiment/rules.ts";
import { type ChoiceName, defaultSettings, formatChoice, type PlaygroundSettings, playgroundRules } from "./settings.ts";

/** The length of the longest hash that is read. No hash that `formatLink` writes is as long. */
const longest = 4096;

const names = Object.keys(playgroundRules) as ChoiceName[];

/** The hash of an address, with its `#`; empty where every choice has its default. */
export function formatLink(settings: PlaygroundSettings): string {
  const changed = names.filter((name) => formatChoice(name, settings) !== formatChoice(name, defaultSettings));
  const parts = changed.map((name) => `${name}=${encodeURIComponent(formatChoice(name, settings))}`);
  return parts.length === 0 ? "" : `#${parts.join("&")}`;
}

/** The text that a part of a hash stands for. @throws DataError for a part that is no text. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new DataError(`link: every part must be percent-encoded text, got ${quote(part)}; copy the link again`, { cause });
  }
}

/**
 * The settings of a hash, with or without its `#`.
 * @throws DataError that names what is wrong: a choice that does not exist or stands twice, or a value that is not allowed.
 */
export function parseLink(hash: string): PlaygroundSettings {
  const body = hash.startsWith("#") ? hash.slice(1) : hash;
  if (body === "") return defaultSettings;
  if (body.length > longest) throw new DataError(`link: must have at most ${longest} characters, got ${body.length}; copy the link again`);
  const given = new Map<ChoiceName, unknown>();
  for (const part of body.split("&")) {
    const equals = part.indexOf("=");
    const name = decoded(equals < 0 ? part : part.slice(0, equals)) as ChoiceName;
    if (!Object.hasOwn(playgroundRules, name)) throw new DataError(`link: must name choices of ${names.join(", ")}, got ${quote(name)}`);
    if (given.has(name)) throw new DataError(`link: ${name} must stand once, got it twice; copy the link again`);
    const value = equals < 0 ? "" : decoded(part.slice(equals + 1));
    const rule = playgroundRules[name] as Rule<unknown>;
    const parsed = rule.parse(value);
    if (parsed === undefined) throw new DataError(`link: ${name} must be ${rule.allowed}, got ${quote(value)}; copy the link again`);
    given.set(name, parsed);
  }
  return { ...defaultSettings, ...Object.fromEntries(given) };
}
