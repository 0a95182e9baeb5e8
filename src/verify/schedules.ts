/** The cases of the learning rates that `wrn_step/index.json` samples. */

import { cosine, multiStep, type Schedule } from "../train/schedules.ts";
import { type Case, verdict } from "./comparison.ts";
import type { Fields } from "./fixture-folder.ts";

/** One case a schedule. The field `note` is no schedule. */
export const scheduleCases = (schedules: Fields): Case[] =>
  schedules.names
    .filter((name) => name !== "note")
    .map((name) => ({
      name: `schedule ${name}`,
      run: () =>
        verdict((comparison) => {
          const fields = schedules.object(name);
          const schedule = scheduleOf(fields);
          const samples = fields.object("samples");
          for (const epoch of samples.names) {
            const rates = [[schedule(Number(epoch))], [samples.number(epoch)]] as const;
            const [got, expected] = rates.map((rate) => ({ shape: [1], data: Float64Array.from(rate) }));
            comparison.near("float64", `rate of epoch ${epoch}`, got!, expected!);
          }
          return undefined;
        }),
    }));

function scheduleOf(fields: Fields): Schedule {
  const base = fields.number("base");
  if (fields.has("T_max")) return cosine({ base, epochs: fields.number("T_max") });
  return multiStep({ base, milestones: fields.numbers("milestones").map(Number), factor: fields.number("gamma") });
}
