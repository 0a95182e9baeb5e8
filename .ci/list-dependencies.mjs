/**
 * Writes what a published package says about its dependencies into a folder (default: dist): `third-party-licenses.txt` with the licence of
 * every package that an install brings, and `sbom.cdx.json`, the same list for tools, in the CycloneDX format. `npm pack` runs this script.
 *
 * Equal sources give equal files, so the time and the serial number that npm writes are left out.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const folder = process.argv[2] ?? join(root, "dist");
const manifestOf = (path) => JSON.parse(readFileSync(join(path, "package.json"), "utf8"));

const sbom = JSON.parse(execFileSync("npm", ["sbom", "--sbom-format=cyclonedx", "--package-lock-only"], { cwd: root, encoding: "utf8" }));

/** The folder of a dependency, found as Node finds it: beside the package that asks for it, or further up. */
function folderOf(name, from) {
  const folder = join(from, "node_modules", name);
  if (existsSync(folder)) return folder;
  if (dirname(from) === from) throw new Error(`list-dependencies: the package ${name} is not installed; run npm ci`);
  return folderOf(name, dirname(from));
}

/**
 * The packages that an install brings, by `name@version`: the dependencies, and the dependencies of those. `npm sbom --omit=peer` would leave
 * out a dependency that is somebody's peer as well.
 */
function installed(from, found = new Map()) {
  for (const name of Object.keys(manifestOf(from).dependencies ?? {})) {
    const folder = folderOf(name, from);
    const { version } = manifestOf(folder);
    if (found.has(`${name}@${version}`)) continue;
    found.set(`${name}@${version}`, folder);
    installed(folder, found);
  }
  return found;
}

const packages = installed(root);
delete sbom.serialNumber;
delete sbom.metadata.timestamp;
sbom.metadata.component.name = manifestOf(root).name;
sbom.components = sbom.components.filter((component) => packages.has(component["bom-ref"]));
const own = sbom.metadata.component["bom-ref"];
const listed = new Set([own, ...packages.keys()]);
sbom.dependencies = sbom.dependencies
  .filter(({ ref }) => listed.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => listed.has(other)) }));
if (sbom.components.length !== packages.size) throw new Error("list-dependencies: package-lock.json and node_modules differ; run npm ci");

/** The text of a package's licence. @throws Error for a package without one, because it may not be published with such a dependency. */
function licenseOf(path, name) {
  const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined)
    throw new Error(`list-dependencies: the package ${name} has no licence file; publish without it, or ask its authors`);
  return readFileSync(join(path, file), "utf8").trim();
}

const sections = [...packages].sort().map(([name, path]) => `${name} (${manifestOf(path).license})\n\n${licenseOf(path, name)}\n`);
const opening =
  "Packages that an install of separable brings, with their licences. The kernels are compiled by AssemblyScript (Apache-2.0),\n" +
  "https://github.com/AssemblyScript/assemblyscript, whose standard library is part of the compiled code.\n";

mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "third-party-licenses.txt"), [opening, ...sections].join(`\n${"-".repeat(80)}\n\n`));
writeFileSync(join(folder, "sbom.cdx.json"), `${JSON.stringify(sbom, null, 2)}\n`);
