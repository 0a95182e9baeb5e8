import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { presets } from "../../src/experiment/presets.ts";
import { prolong } from "../../src/experiment/prolong.ts";
import { createSchedule } from "../../src/experiment/recipe.ts";
import type { RunConfig } from "../../src/experiment/run-config.ts";
import type { Settings } from "../../src/experiment/setting-rules.ts";

const run = (settings: Partial<Settings>): RunConfig => ({
  separable: "0",
  preset: "quick",
  settings: { ...presets.quick, epochs: 10, ...settings },
  environment: { node: "20", platform: "test", backend: { name: "reference" } as RunConfig["environment"]["backend"] },
});

function prolonged(settings: Partial<Settings>, epochs: number, done: number): { config: RunConfig; notes: string[] } {
  const notes: string[] = [];
  return { config: prolong(run(settings), epochs, done, (note) => void notes.push(note)), notes };
}

describe("prolong", () => {
  test.each(["one-cycle", "cosine"] as const)("says at which rate the %s schedule goes on", (schedule) => {
    const { config, notes } = prolonged({ schedule }, 20, 10);
    expect(config.settings.epochs).toBe(20);
    expect(config.prolonged).toEqual([{ at: 10, from: 10, to: 20 }]);
    const rate = createSchedule(config.settings)(10).toPrecision(3);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain(`the ${schedule} schedule is that of 20 epochs from here on: the rate after epoch 10 is ${rate} instead of`);
  });

  test("says that a multi-step schedule stays", () => {
    const { notes } = prolonged({ schedule: "multi-step", milestones: [6, 8] }, 20, 10);
    expect(notes).toEqual(["the run has 20 epochs now instead of 10; the multi-step schedule keeps its milestones, 6, 8"]);
  });

  test("keeps a run as it is, without a note, when the number of epochs is the same", () => {
    const config = run({});
    expect(prolong(config, 10, 3, () => expect.fail("a note"))).toBe(config);
    expect(prolong(config, undefined, 3, () => expect.fail("a note"))).toBe(config);
  });

  test("may shorten a run, down to the epochs that it has finished", () => {
    expect(prolonged({}, 5, 5).config.settings.epochs).toBe(5);
    expect(() => prolonged({}, 4, 5)).toThrow(ConfigError);
    expect(() => prolonged({}, 4, 5)).toThrow("--epochs must be at least the 5 epochs that the run has finished, got 4");
  });
});
