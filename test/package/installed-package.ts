/** The package as a user has it: packed, and installed in an empty project. */

import { execFile } from "node:child_process";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const execute = promisify(execFile);

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
}

const manifestOf = async (folder: string): Promise<Partial<Manifest>> =>
  JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Partial<Manifest>;

/** The packages that an install brings: the dependencies, and the dependencies of those. */
async function closure(): Promise<readonly string[]> {
  const found = new Set<string>();
  const visit = async (folder: string): Promise<void> => {
    for (const name of Object.keys((await manifestOf(folder)).dependencies ?? {})) {
      if (found.has(name)) continue;
      found.add(name);
      await visit(join(root, "node_modules", name));
    }
  };
  await visit(root);
  return [...found];
}

/**
 * Packs the package (`dist` must have been built) and installs it in a new project of `tmpdir`. npm takes the dependencies from this
 * clone's node_modules and not from a registry, so that the test needs no network.
 * `also` are packages of node_modules that the project has besides.
 * @returns the folder of the project.
 */
export async function installPackage(also: readonly string[]): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), "separable-package-"));
  const { stdout: packed } = await execute("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], { cwd: root });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const fromClone = [...(await closure()), ...also].map((name) => [name, `file:${join(root, "node_modules", name)}`]);
  const dependencies = { separable: `file:${filename}`, ...Object.fromEntries(fromClone) };
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
  // With --install-links, npm copies the packages. Links would let them find packages of the clone that the user does not have.
  const offline = ["--install-links", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
  await execute("npm", ["install", ...offline], { cwd: project });
  return project;
}
