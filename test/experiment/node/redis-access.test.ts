/** Where the address of Redis comes from, and what an error says of it. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { redisAccess } from "../../../src/experiment/node/sweep/redis/redis-access.ts";
import { ConfigError } from "../../../src/index.ts";

const message = (url: string | true | undefined, environment: Record<string, string>, ca?: string): string => {
  try {
    redisAccess("sweep", url, ca, environment);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error("the address must be refused");
};

test("an error names the place of the wrong address: the option, or the environment", () => {
  const REDIS_URL = "redis://localhost";
  expect(message("http://localhost", { REDIS_URL })).toMatch(/^sweep: --redis must be redis:.*got a URL of http:/);
  for (const url of [true, undefined] as const)
    expect(message(url, { REDIS_URL: "http://localhost" })).toMatch(/^sweep: REDIS_URL must be redis:.*got a URL of http:/);
  expect(message(undefined, {})).toMatch(/--redis must be .*, got none, and none in REDIS_URL/);
  expect(message("redis://localhost", {}, "ca.pem")).toMatch(/--redis-ca belongs to an address with rediss:/);
});

test("the option comes before the environment, and user and password come from it", () => {
  const environment = { REDIS_URL: "redis://other", REDIS_USERNAME: "u", REDIS_PASSWORD: "p" };
  expect(redisAccess("sweep", "redis://here/1", undefined, environment)).toMatchObject({
    url: "redis://here/1",
    username: "u",
    password: "p",
  });
  expect(redisAccess("sweep", true, undefined, environment)).toMatchObject({ url: "redis://other" });
});

test("no error repeats a password", () =>
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{8,12}$/), fc.boolean(), (password, byOption) => {
      const wrong = `redis://user:${password}@localhost/name`;
      expect(message(byOption ? wrong : undefined, byOption ? {} : { REDIS_URL: wrong })).not.toContain(password);
    }),
  ));
