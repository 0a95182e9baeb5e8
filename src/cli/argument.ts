/** Options whose arguments are checked by the rules of settings. */

import { ConfigError } from "../core/errors.ts";
import type { Rule } from "../experiment/rules.ts";

/**
 * A parser of commander for an argument that `rule` allows. @throws ConfigError with the option, the allowed values, the given one, and a
 * near value.
 */
export const argument =
  <T>(command: string, option: string, rule: Rule<T>) =>
  (given: string): T => {
    const value = rule.parse(given);
    if (value !== undefined) return value;
    const refusal = rule.refusal?.(given);
    throw new ConfigError(`${command}: ${option} ${refusal ?? `must be ${rule.allowed}, got "${given}"${rule.suggestion?.(given) ?? ""}`}`);
  };
