/** `summary`: a network as a table of its layers, found by one forward pass that computes nothing. */

import { countingBackend } from "../backend/counting.ts";
import { createShapeOnlyBackend } from "../backend/shape-only.ts";
import { largest } from "../core/extent.ts";
import { inspectKey } from "../core/inspect.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import { checkRegistered } from "../nn/check-registered.ts";
import { formatDescription } from "../nn/describe.ts";
import { Layer } from "../nn/module.ts";
import { zeros } from "../ops/creation.ts";
import { DenseConvolution } from "../structured/dense.ts";
import { StructuredConvolution } from "../structured/structured-convolution.ts";
import type { DType } from "../tensor/storage.ts";
import type { Network } from "./count-network.ts";
import { watchLayers } from "./watch-layers.ts";
import { withBackend } from "./with-backend.ts";

/**
 * A layer that has no layers inside, a whole structured convolution, or a layer that computes something itself beside the layers inside.
 */
export interface SummaryRow {
  /** As in the state dict. */
  readonly name: string;
  /** The layer with its sizes, such as `Conv2d(3, 16, kernel=3)`. */
  readonly layer: string;
  /** The shape of the layer's last output, with the batch. */
  readonly output: Shape;
  /** Shared parameters count at the first layer that has them. */
  readonly parameters: number;
  /** What one forward pass of the batch executes: matrix products, convolutions, cosine transforms and elementwise products. */
  readonly multiplyAdds: number;
}

type SummaryContent = Pick<Summary, "rows" | "parameters" | "trainableParameters" | "multiplyAdds">;

/** The table of a network. Printing it, or putting it into a string, shows it as text. */
export class Summary {
  /** In the order in which the forward pass meets the layers. */
  readonly rows: readonly SummaryRow[];
  /** Of the whole network, including parameters outside the rows. */
  readonly parameters: number;
  readonly trainableParameters: number;
  /** Of the whole network, including the work outside the rows. */
  readonly multiplyAdds: number;

  constructor({ rows, parameters, trainableParameters, multiplyAdds }: SummaryContent) {
    this.rows = rows;
    this.parameters = parameters;
    this.trainableParameters = trainableParameters;
    this.multiplyAdds = multiplyAdds;
  }

  toString(): string {
    const count = (n: number): string => n.toLocaleString("en-US");
    const table = [
      ["name", "layer", "output", "parameters", "multiply-adds"],
      ...this.rows.map(({ name, layer, output, parameters, multiplyAdds }) => [
        name,
        layer,
        formatShape(output),
        count(parameters),
        count(multiplyAdds),
      ]),
      ["total", "", "", count(this.parameters), count(this.multiplyAdds)],
    ];
    const widths = table[0]!.map((_, column) => largest(table.map((row) => row[column]!.length)));
    const lines = table.map((row) =>
      row.map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("  "),
    );
    const rule = "─".repeat(lines[0]!.length);
    const frozen = this.parameters - this.trainableParameters;
    const body = [lines[0], rule, ...lines.slice(1, -1), rule, lines.at(-1)].map((line) => line!.trimEnd());
    return [...body, ...(frozen === 0 ? [] : [`${count(frozen)} of the parameters are frozen`])].join("\n");
  }

  /** What Node's `console.log` shows. */
  [inspectKey](): string {
    return this.toString();
  }
}

/** Whether the layer is shown by the name of its family. */
const isStructured = (layer: Layer): layer is StructuredConvolution =>
  layer instanceof StructuredConvolution && !(layer instanceof DenseConvolution);

export interface SummaryOptions {
  /** The dtype of the input. Default: float32. */
  readonly dtype?: DType;
}

/** The names of `SummaryOptions`. */
const summaryOptions: OptionNames = optionNames<SummaryOptions>({ dtype: true });

/**
 * The layers of `network` with their output shapes, parameters and multiply-adds, for an input of `inputShape`, batch included:
 * `summary(network, [1, 3, 32, 32])`. Nothing is computed, no number is stored, and the network does not change.
 * @throws ShapeError for an input that the network cannot take; ConfigError for a parameter that is not in the network's state.
 */
export function summary(network: Network, inputShape: Shape, options: SummaryOptions = {}): Summary {
  checkOptions("summary", options, summaryOptions);
  const { dtype = "float32" } = options;
  const counting = countingBackend(createShapeOnlyBackend());
  const rows = new Map<Layer, SummaryRow>();
  const counted = new Set<unknown>();
  /** The size of the layer's own parameters that no row has yet. A layer below it that is watched too has a row of its own. */
  const newParameters = (layer: Layer): number => {
    const below =
      layer instanceof StructuredConvolution ? [] : layer.modules().filter((other) => other !== layer && other instanceof Layer);
    const others = new Set(below.flatMap((other) => [...other.parameters().values()]));
    let total = 0;
    for (const parameter of layer.parameters().values())
      if (!counted.has(parameter) && !others.has(parameter)) {
        total += parameter.value.size;
        counted.add(parameter);
      }
    return total;
  };
  // The number of calls so far. If it is the same after a layer's forward pass, the layer has called no other layer.
  let [calls, inside] = [0, false];
  /** The multiply-adds that rows have so far. */
  let attributed = 0;
  const layers = [...network.namedModules()].filter((entry): entry is [string, Layer] => entry[0] !== "" && entry[1] instanceof Layer);
  withBackend(counting.kernels, () =>
    watchLayers(
      layers,
      (name, layer, _, forward) => {
        if (inside) return forward();
        const [before, callsBefore, attributedBefore] = [counting.multiplyAdds(), ++calls, attributed];
        inside = layer instanceof StructuredConvolution;
        const y = forward();
        inside = false;
        const earlier = rows.get(layer);
        const parameters = earlier?.parameters ?? newParameters(layer);
        const multiplyAdds = counting.multiplyAdds() - before - (attributed - attributedBefore);
        // A layer that calls others has a row where it has something of its own beside them.
        if (calls > callsBefore && parameters === 0 && multiplyAdds === 0) return y;
        attributed += multiplyAdds;
        rows.set(layer, {
          name,
          layer: isStructured(layer) ? layer.name : formatDescription(layer.describe()),
          output: y.shape,
          parameters,
          multiplyAdds: (earlier?.multiplyAdds ?? 0) + multiplyAdds,
        });
        return y;
      },
      () => checkRegistered(network, network.forward(zeros(inputShape, { dtype }), { training: false })),
    ),
  );
  const all = [...network.parameters().values()];
  const size = (some: typeof all): number => some.reduce((total, { value }) => total + value.size, 0);
  return new Summary({
    rows: [...rows.values()],
    parameters: size(all),
    trainableParameters: size(all.filter(({ trainable }) => trainable)),
    multiplyAdds: counting.multiplyAdds(),
  });
}
