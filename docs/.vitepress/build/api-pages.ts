/**
 * The API reference: TypeDoc writes one Markdown page for each layer of `separable`, and one for each other entry of the package, from the
 * docstrings. The pages are written before a build and belong to no commit.
 */

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Application, Converter, type DeclarationReflection, ReflectionKind } from "typedoc";
import { gitHubAnchor } from "../markdown/links.ts";
import { docs, repository } from "./folders.ts";

/** The layers that `separable` exports from, and what the head of their page says. */
const layers: Readonly<Record<string, string>> = {
  backend: "The backends, and the contract of their kernels.",
  compress: "The replacement of a network's convolutions by their nearest structured ones.",
  core: "Errors, random streams, shapes and the geometry of convolutions.",
  count: "The parameters and multiply-adds of a network.",
  data: "Data sets, augmentation and batches.",
  grad: "Gradients and other derivatives, and their check by finite differences.",
  interchange: "ONNX graphs and NumPy files.",
  linalg: "Decompositions of matrices and tensors, in float64.",
  models: "The networks.",
  nn: "Modules, layers, initialisers and losses.",
  ops: "The differentiable operations on tensors.",
  structured: "Structured maps and convolutions, and the families that they belong to.",
  tape: "Recording, and operations of your own.",
  tensor: "Tensors and the memory that they hold.",
  train: "Optimisers, schedules, the training loop, checkpoints and model files.",
};

/** The entries of the package that have one page each. */
const entries: Readonly<Record<string, string>> = {
  node: "The entry `separable/node`: files, downloads, worker threads and process flags.",
  experiment: "The entry `separable/experiment`: settings, presets, runs and sweeps, for scripts that train as the command line does.",
  gpu: "The entry `separable/gpu`: backends on gpu.js.",
};

/** The comment that gives a page its name and its first paragraph. */
const head = (name: string, text: string): string => `/**\n * ${text}\n * @module ${name}\n */\n`;

/**
 * One module for each page: the exports of `src/index.ts` by the layer that they come from, and the other entries. `sources` is the path
 * from the modules to `src`.
 * @throws Error for a layer without a text for the head of its page.
 */
export function pageModules(index: string, sources: string): ReadonlyMap<string, string> {
  const modules = new Map<string, string>();
  for (const [statement, layer = ""] of index.matchAll(/^export [^;]*? from "\.\/(\w+)\/[^"]+";$/gms)) {
    const text = layers[layer];
    if (text === undefined) throw new Error(`api-pages: the layer ${layer} must have a text for the head of its page`);
    modules.set(layer, `${modules.get(layer) ?? head(layer, text)}${statement.replace(' from "./', ` from "${sources}/`)}\n`);
  }
  for (const [entry, text] of Object.entries(entries))
    modules.set(`separable-${entry}`, `${head(`separable/${entry}`, text)}export * from "${sources}/${entry}.ts";\n`);
  return modules;
}

/** Whether a member belongs to a class or interface above its own. Constructors differ, so each is described. */
const isDescribedAbove = ({ kind, inheritedFrom, overwrites }: DeclarationReflection): boolean =>
  inheritedFrom !== undefined || (overwrites !== undefined && kind !== ReflectionKind.Constructor);

/** Options of the plugins that write Markdown. TypeDoc's own types do not know them. */
const markdown = {
  outputFileStrategy: "modules",
  entryFileName: "index",
  docsRoot: docs,
  hidePageHeader: true,
  hideBreadcrumbs: true,
  parametersFormat: "table",
  interfacePropertiesFormat: "table",
  typeDeclarationFormat: "table",
  enumMembersFormat: "table",
  // What remains fits the width of a page: a member's modifiers and its line in the source do not.
  tableColumnSettings: { hideModifiers: true, hideSources: true, hideInherited: true, hideOverrides: true, leftAlignHeaders: true },
  groupOrder: ["Functions", "Variables", "Classes", "Interfaces", "Type Aliases", "*"],
};

/**
 * The page with links to headings that it has. The plugin numbers the anchors of equal names as if the rows of tables were headings, so it
 * writes `#state-1` where the only heading is `#state`.
 */
export function withKnownAnchors(page: string): string {
  const anchors = new Set<string>();
  for (const [, heading = ""] of page.matchAll(/^#+ (.*)$/gm)) {
    const anchor = gitHubAnchor(heading.replace(/\\(.)/g, "$1"));
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count++) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return page.replace(/\]\(#([^)]+)-\d+\)/g, (link, name: string) => (anchors.has(link.slice(3, -1)) ? link : `](#${name})`));
}

/** Writes the pages to `docs/api`. @throws Error where TypeDoc reports one. */
export async function writeApiPages(): Promise<void> {
  const folder = join(docs, ".vitepress", "cache", "api");
  const out = join(docs, "api");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const modules = pageModules(await readFile(join(repository, "src", "index.ts"), "utf8"), "../../../../src");
  for (const [name, text] of modules) await writeFile(join(folder, `${name}.ts`), text);
  const tsconfig = join(folder, "tsconfig.json");
  await writeFile(tsconfig, JSON.stringify({ extends: "../../../../tsconfig.json", include: ["*.ts"] }));
  const app = await Application.bootstrapWithPlugins({
    entryPoints: [join(folder, "*.ts")],
    tsconfig,
    plugin: ["typedoc-plugin-markdown", "typedoc-vitepress-theme"],
    ...(markdown as object),
    name: "API reference",
    readme: "none",
    out,
    skipErrorChecking: true,
    disableGit: true,
    sourceLinkTemplate: "/source/{path}.html#L{line}",
    displayBasePath: repository,
    logLevel: "Error",
    githubPages: false,
  });
  // A member is described where it is declared first. Repeated in every subclass, the same lines would be most of the reference.
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const member of project.getReflectionsByKind(ReflectionKind.All))
      if (member.isDeclaration() && isDescribedAbove(member)) project.removeReflection(member);
  });
  const project = await app.convert();
  if (project === undefined) throw new Error("TypeDoc could not read the sources");
  await app.generateOutputs(project);
  for (const file of (await readdir(out, { recursive: true })).filter((name) => name.endsWith(".md")))
    await writeFile(join(out, file), withKnownAnchors(await readFile(join(out, file), "utf8")));
  if (app.logger.hasErrors()) throw new Error("TypeDoc reported errors");
}
