/** Packages that an install of this package leaves out, because only some of its commands need them. */

import { ConfigError } from "./errors.ts";

/** The optional packages, each with the version to install. The optional peer dependencies in package.json name the same versions. */
export const optionalPackages = {
  "@expo-google-fonts/inter": "0.4",
  "@resvg/resvg-js": "2",
  bullmq: "5",
  esbuild: "0.28",
  sharp: "0.35",
} as const;

export type OptionalPackage = keyof typeof optionalPackages;

/** The command that installs packages: `npm install sharp@0.35`. */
const installCommand = (names: readonly OptionalPackage[]): string =>
  `npm install ${names.map((name) => `${name}@${optionalPackages[name]}`).join(" ")}`;

/**
 * Node's codes for a package that is not installed. An error of another kind comes from a package that is installed and cannot run here.
 */
const notInstalled: readonly unknown[] = ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"];

/**
 * Loads optional packages by `load`, which imports them.
 * @param owner The op or the command that needs them. The message of the error begins with it.
 * @throws ConfigError that names the packages and the command that installs them.
 */
export async function loadOptional<T>(owner: string, names: readonly OptionalPackage[], load: () => T | Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const missing = error instanceof Error && "code" in error && notInstalled.includes(error.code);
    const reason = error instanceof Error ? error.message : String(error);
    const [packages, are] = names.length === 1 ? ["package", "is"] : ["packages", "are"];
    const fault = missing ? `${are} not installed` : `cannot be loaded (${reason})`;
    throw new ConfigError(`${owner}: needs the ${packages} ${names.join(" and ")}, which ${fault}; ${installCommand(names)}`, {
      cause: error,
    });
  }
}
