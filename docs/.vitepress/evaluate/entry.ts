/** Turns an entry of the console into the body of an asynchronous function whose variables outlive it. */

import { type Expression, type ImportDeclaration, type ModuleDeclaration, type Node, type Pattern, parse, type Statement } from "acorn";
import { transform } from "sucrase";

export interface Import {
  readonly source: string;
  /** `"*"` for the whole module. */
  readonly imported: string;
  readonly local: string;
}

export interface Entry {
  /** The variables, functions and classes that the entry declares at its top level. */
  readonly names: readonly string[];
  readonly imports: readonly Import[];
  /**
   * The statements. A declaration at the top level is an assignment, so whoever runs the code decides where its names live. If the last
   * statement is an expression, the code returns `{ value }`.
   */
  readonly code: string;
}

/** Removes the types. Imports stay, used or not, because later entries may use them. */
const withoutTypes = (text: string): string =>
  transform(text, { transforms: ["typescript"], keepUnusedImports: true, disableESTransforms: true }).code;

const parsed = (code: string) =>
  parse(code, { ecmaVersion: "latest", sourceType: "script", allowAwaitOutsideFunction: true, allowImportExportEverywhere: true }).body;

/**
 * The statements of an entry. Braces at its start are an object where that is possible, as at Node's prompt.
 * @throws SyntaxError for text that is no code.
 */
function read(text: string): { readonly code: string; readonly statements: readonly (Statement | ModuleDeclaration)[] } {
  if (/^\s*\{/.test(text))
    try {
      const code = withoutTypes(`(${text}\n)`);
      return { code, statements: parsed(code) };
    } catch {
      // It is a block.
    }
  const code = withoutTypes(text);
  return { code, statements: parsed(code) };
}

/** The names that a pattern such as `{ a, b: [c = 1, ...d] }` binds. */
function boundNames(pattern: Pattern | null): readonly string[] {
  if (pattern === null) return [];
  if (pattern.type === "Identifier") return [pattern.name];
  if (pattern.type === "ArrayPattern") return pattern.elements.flatMap(boundNames);
  if (pattern.type === "ObjectPattern")
    return pattern.properties.flatMap((property) => boundNames(property.type === "Property" ? property.value : property.argument));
  if (pattern.type === "AssignmentPattern") return boundNames(pattern.left);
  return pattern.type === "RestElement" ? boundNames(pattern.argument) : [];
}

function importsOf({ source, specifiers }: ImportDeclaration): readonly Import[] {
  return specifiers.map((specifier) => {
    const from = { source: String(source.value), local: specifier.local.name };
    if (specifier.type === "ImportNamespaceSpecifier") return { ...from, imported: "*" };
    if (specifier.type === "ImportDefaultSpecifier") return { ...from, imported: "default" };
    return { ...from, imported: specifier.imported.type === "Identifier" ? specifier.imported.name : String(specifier.imported.value) };
  });
}

/** @throws SyntaxError for text that is no code. */
export function compileEntry(text: string): Entry {
  const { code, statements } = read(text);
  const textOf = ({ start, end }: Node): string => code.slice(start, end);
  const names: string[] = [];
  const imports: Import[] = [];
  // Functions can be called before the line that declares them.
  const functions: string[] = [];
  const others: string[] = [];
  const returned = (expression: Expression): string => `return { value: (${textOf(expression)}) };`;
  statements.forEach((statement, i) => {
    if (statement.type === "VariableDeclaration" && ["var", "let", "const"].includes(statement.kind)) {
      for (const { id, init } of statement.declarations) {
        names.push(...boundNames(id));
        if (init) others.push(`(${textOf(id)} = ${textOf(init)});`);
        else if (statement.kind === "let") others.push(`${textOf(id)} = undefined;`);
      }
    } else if (statement.type === "FunctionDeclaration" || statement.type === "ClassDeclaration") {
      names.push(statement.id.name);
      (statement.type === "FunctionDeclaration" ? functions : others).push(`${statement.id.name} = ${textOf(statement)};`);
    } else if (statement.type === "ImportDeclaration") imports.push(...importsOf(statement));
    else if (statement.type === "ExpressionStatement" && i === statements.length - 1) others.push(returned(statement.expression));
    else others.push(textOf(statement));
  });
  return { names, imports, code: [...functions, ...others].join("\n") };
}
