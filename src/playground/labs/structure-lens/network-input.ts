/** A layer of a trained network: of the one that comes with the lens, or of the visitor's own. */

import { drawValues } from "../../page/canvas.ts";
import { h, show } from "../../page/dom.ts";
import { formatShare } from "../../page/format.ts";
import type { Values } from "../../snapshot.ts";
import { shippedNetwork } from "./shipped-network.ts";
import type { LayerFacts, NetworkFile } from "./worker.ts";

export interface NetworkInput {
  readonly element: HTMLElement;
  /** The name of the chosen layer; undefined until a network is there. */
  target(): string | undefined;
  /** Opens the shipped network, unless a network is there. */
  start(): void;
  /** Takes the layers of the network that was opened, and chooses the largest one. */
  showLayers(layers: readonly LayerFacts[]): void;
  /** Says that a network could not be opened. The network before it stays. */
  keep(): void;
  /** Shows W of the chosen layer. */
  showMatrix(w: Values): void;
}

const { title, accuracy } = shippedNetwork;
const shippedText = `${title}, trained on CIFAR-10 until it knew ${formatShare(accuracy)} of the test images.`;

const product = (shape: readonly number[]): number => shape.reduce((size, length) => size * length, 1);

/**
 * @param open Asks for the layers of a network: of the file, or of the shipped network where there is none.
 * @param onChange Called when another layer is chosen.
 */
export function networkInput(open: (file?: NetworkFile) => void, onChange: () => void): NetworkInput {
  /** What is said of the network that is open, and of the one that is being opened. */
  let [about, opening] = ["", ""];
  const text = h("p", { class: "soft idea" });
  const shape = h("span", {});
  const layers = h("select", { "aria-label": "Layer", change: () => choose() });
  let shapes: ReadonlyMap<string, readonly number[]> = new Map();
  const picture = h("div", { class: "matrix" });
  const input = h("input", { type: "file", accept: ".safetensors", class: "hidden", tabindex: -1, "aria-label": "Checkpoint to open" });
  input.addEventListener("change", async () => {
    const [file] = input.files!;
    if (file === undefined) return;
    ask(`Your ${file.name}.`, { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });
    // The same file may be chosen again.
    input.value = "";
  });

  function choose(): void {
    show(shape, `Layer, ${shapes.get(layers.value)?.join("×") ?? "none"}`);
    onChange();
  }

  function ask(said: string, file?: NetworkFile): void {
    opening = said;
    show(text, "Loading…");
    open(file);
  }

  return {
    element: h(
      "div",
      {},
      text,
      h("label", { class: "field" }, shape, layers),
      picture,
      h("div", { class: "picker" }, h("button", { type: "button", click: () => input.click() }, "Open your checkpoint"), input),
    ),
    target: () => layers.value || undefined,
    start: () => about === "" && ask(shippedText),
    showLayers(found) {
      about = opening;
      show(text, about);
      shapes = new Map(found.map((layer) => [layer.name, layer.shape]));
      show(layers, ...found.map(({ name }) => h("option", {}, name)));
      const [largest] = found.toSorted((a, b) => product(b.shape) - product(a.shape));
      layers.value = largest?.name ?? "";
      choose();
    },
    keep: () => show(text, about),
    showMatrix: (w) => show(picture, drawValues(w)),
  };
}
