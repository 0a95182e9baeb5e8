/** The graph walker: its numbers are those of the library, its drawing is in layers, and what it says about ops is true of the sources. */

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gradients } from "../../../src/grad/gradients.ts";
import { layered } from "../../../src/playground/labs/graph-walker/layered.ts";
import { opFactsOf } from "../../../src/playground/labs/graph-walker/op-facts.ts";
import { type Computation, programs } from "../../../src/playground/labs/graph-walker/programs.ts";
import { traceOf } from "../../../src/playground/labs/graph-walker/trace.ts";
import { lastPosition, stateAt, turningPosition } from "../../../src/playground/labs/graph-walker/walk.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { onReferenceBackend } from "../../support/reference-backend.ts";

onReferenceBackend();

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const values = (x: Tensor): number[] => Array.from(x.storage.view!);

describe.each(programs.map((program) => [program.name, program] as const))("%s", (_, program) => {
  test("the cotangent of every value is its gradient, once the walk is over", () => {
    const computation = program.run();
    const trace = traceOf(computation);
    const { cotangents, known } = stateAt(trace, lastPosition(trace));
    const tensors = new Map<string, Tensor>(Object.entries({ ...computation.parameters, ...computation.named, loss: computation.loss }));
    for (const [name, x] of tensors) {
      const node = trace.nodes.findIndex((each) => each.name === name);
      expect(trace.nodes[node]).toMatchObject({ shape: x.shape, values: values(x) });
      expect(cotangents.get(node), name).toEqual(values(gradients(computation.loss, [x])[0]!));
    }
    expect(known.size).toBe(trace.nodes.length);
  });

  test("a step forward makes one value known, and a step back gives cotangents to the inputs of one node", () => {
    const trace = traceOf(program.run());
    const turn = turningPosition(trace);
    for (let position = 1; position <= lastPosition(trace); position++) {
      const [before, after] = [stateAt(trace, position - 1), stateAt(trace, position)];
      const { op, inputs } = trace.nodes[after.active!]!;
      if (position < turn) {
        expect([...after.known].filter((node) => !before.known.has(node))).toEqual([after.active]);
        expect(inputs.every((input) => before.known.has(input))).toBe(true);
        expect(after.cotangents.size).toBe(0);
      } else if (position === turn) expect([...after.cotangents]).toEqual([[trace.nodes.length - 1, [1]]]);
      else {
        expect(op).toBeDefined();
        expect(before.cotangents.has(after.active!)).toBe(true);
        for (const [node, cotangent] of after.cotangents)
          if (!inputs.includes(node)) expect(cotangent).toEqual(before.cotangents.get(node));
        expect([...after.contributions.keys()].filter((node) => !before.contributions.has(node))).toEqual([after.active]);
      }
    }
  });

  test("no value is named twice, and every op has facts", () => {
    const trace = traceOf(program.run());
    const names = trace.nodes.flatMap(({ name, kind }) => (name === undefined || kind === "constant" ? [] : [name]));
    expect(new Set(names).size).toBe(names.length);
    for (const { op } of trace.nodes) if (op !== undefined) expect(facts, op).toHaveProperty(op);
  });
});

test("the fused batch norm gives the cotangents of the composed one", () => {
  const of = (name: string): Computation => programs.find((each) => each.name === name)!.run();
  const [composed, fused] = [of("batch-norm"), of("batch-norm-fused")].map(({ loss, parameters }) => [
    ...values(loss),
    ...gradients(loss, Object.values(parameters)).flatMap(values),
  ]);
  fused!.forEach((value, i) => {
    expect(value).toBeCloseTo(composed![i]!, 12);
  });
});

const ops = readdirSync(new URL("../../../src/ops/", import.meta.url)).map((file) => ({
  path: `src/ops/${file}`,
  text: read(`src/ops/${file}`),
}));
const facts = opFactsOf(ops, { path: "test/grad/gradient-table.ts", text: read("test/grad/gradient-table.ts") });

describe("the facts of ops", () => {
  test.each(Object.entries(facts))("%s", (op, { file, line, recordedLine, equation, code, test: row }) => {
    const lines = read(file).split("\n");
    expect(lines[line - 1]).toMatch(new RegExp(`^export (const|function) ${op}\\b`));
    expect(lines.slice(recordedLine - 1, recordedLine + 1).join("\n")).toContain(`"${op}"`);
    expect(equation).not.toBe("");
    expect(code).toContain(`"${op}"`);
    expect(read(file)).toContain(code);
    if (row !== undefined) expect(read(row.file).split("\n")[row.line - 1]).toContain(`"${file.slice(8, -3)}/${op}":`);
    else expect(read(file)).toMatch(new RegExp(`Constant to differentiation. \\*/\\nexport const ${op} `));
  });

  test("a docstring is read up to its tags, and parted at its VJP", () => {
    expect(facts.tanh).toMatchObject({
      equation: "y = tanh x.",
      vjp: "VJP: x̄ = ȳ·(1 − y²).",
      code: 'export const tanh = unary("tanh", (g, _x, y) => multiply(g, subtract(1, multiply(y, y))));',
    });
    expect(facts.sum!.vjp).toBe("VJP: x̄ = ȳ broadcast to the shape of x.");
    expect(facts.conv2d!.code).toMatch(/^const forward[\s\S]+vjp: [\s\S]+\}\)\);$/);
  });
});

/** Graphs whose nodes come after their inputs. */
const graphs = fc
  .array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: 1, maxLength: 18 })
  .map((drawn) => drawn.map((inputs, i) => (i === 0 ? [] : inputs.map((input) => input % i))));

test("a drawing leads every edge down, layer by layer, and keeps distances within a layer", () =>
  fc.assert(
    fc.property(graphs, (graph) => {
      const drawing = layered(graph);
      const places = new Map<string, number[]>();
      const add = ({ x, y }: { x: number; y: number }): void => {
        places.set(String(y), [...(places.get(String(y)) ?? []), x]);
      };
      drawing.nodes.forEach(add);
      graph.forEach((inputs, i) => {
        inputs.forEach((input, k) => {
          const way = drawing.edges[i]![k]!;
          expect([way[0], way.at(-1)]).toEqual([drawing.nodes[input], drawing.nodes[i]]);
          expect(way.map(({ y }) => y)).toEqual(way.map((_, step) => way[0]!.y + step));
          expect(way.length).toBeGreaterThan(1);
          way.slice(1, -1).forEach(add);
        });
      });
      for (const xs of places.values()) {
        xs.sort((a, b) => a - b);
        xs.slice(1).forEach((x, i) => {
          expect(x - xs[i]!).toBeGreaterThan(1 - 1e-9);
        });
        expect(xs[0]).toBeGreaterThan(-1e-9);
        expect(xs.at(-1)).toBeLessThan(drawing.columns - 1 + 1e-9);
      }
    }),
    { numRuns: 200 },
  ));
