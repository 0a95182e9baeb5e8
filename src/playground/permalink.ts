/**
 * Settings as the hash of an address: `#data=synthetic&b=TensorTrain_0.5&seed=3`. A link that holds the threads and the build of the kernels
 * replays a run bit for bit on a machine that has both. Choices that are left out have their defaults.
 */

import { DataError } from "../core/errors.ts";
import { quote } from "../core/quote.ts";
import type { Rule } from "../experiment/rules.ts";
import { formatHash, parseHash } from "./hash-fields.ts";
import { type ChoiceName, defaultSettings, formatChoice, type PlaygroundSettings, playgroundRules } from "./settings.ts";

const names = Object.keys(playgroundRules) as ChoiceName[];

/** The hash of an address, with its `#`; empty where every choice has its default. */
export function formatLink(settings: PlaygroundSettings): string {
  const changed = names.filter((name) => formatChoice(name, settings) !== formatChoice(name, defaultSettings));
  return formatHash(Object.fromEntries(changed.map((name) => [name, formatChoice(name, settings)])));
}

/**
 * The settings of a hash, with or without its `#`.
 * @throws DataError that names what is wrong: a choice that does not exist or stands twice, or a value that is not allowed.
 */
export function parseLink(hash: string): PlaygroundSettings {
  const fields = Object.entries(parseHash(hash, names)) as [ChoiceName, string][];
  const given = fields.map(([name, text]) => {
    const rule = playgroundRules[name] as Rule<unknown>;
    const value = rule.parse(text);
    if (value === undefined) throw new DataError(`link: ${name} must be ${rule.allowed}, got ${quote(text)}; copy the link again`);
    return [name, value] as const;
  });
  return { ...defaultSettings, ...Object.fromEntries(given) };
}
