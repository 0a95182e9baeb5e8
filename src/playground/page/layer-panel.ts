/** The matrix of a layer as it is learned, beside its factors and singular values. */

import { titleOf } from "../family-choices.ts";
import type { RunName } from "../settings.ts";
import type { LayerPicture, Snapshot } from "../snapshot.ts";
import { drawFactor, drawFilter, drawValues } from "./canvas.ts";
import type { Connection } from "./connection.ts";
import { h, s, show } from "./dom.ts";
import type { PageState, Store } from "./state.ts";

export function layerPanel(store: Store, connection: Connection): HTMLElement {
  const look = (run: RunName, layer: string | undefined): void => {
    store.update((state) => ({ ...state, looked: { run, layer } }));
    connection.send({ kind: "look", run, layer });
  };
  const runs = h(
    "div",
    { class: "segments", role: "radiogroup", "aria-label": "Run that is shown" },
    ...(["a", "b"] as const).map((run) =>
      h("label", {}, h("input", { type: "radio", name: "looked", value: run, change: () => look(run, undefined) }), h("span", {}, "")),
    ),
  );
  const layers = h("select", { "aria-label": "Layer", change: () => look(store.state.looked.run, layers.value) });
  const body = h("div", { class: "layer" }, placeholder());
  let drawn: Snapshot | undefined;
  let theme: string | undefined;
  store.listen((state) => {
    showRuns(runs, state);
    const shown = state.snapshot;
    const names = (shown && state.runs[shown.run]?.facts.layers) ?? [];
    if ([...layers.options].map(({ value }) => value).join() !== names.join()) show(layers, ...names.map((name) => h("option", {}, name)));
    const layer = shown?.snapshot.picture?.layer;
    if (layer !== undefined && document.activeElement !== layers) layers.value = layer;
    layers.hidden = names.length === 0;
    runs.hidden = names.length === 0;
    // The colours of a canvas do not follow the style sheet.
    if (shown?.snapshot === drawn && theme === document.documentElement.dataset.theme) return;
    drawn = shown?.snapshot;
    theme = document.documentElement.dataset.theme;
    body.classList.toggle("dense", (drawn?.picture?.factors.length ?? 0) === 0);
    show(body, ...(drawn === undefined ? [placeholder()] : contentOf(drawn)));
  });
  return h(
    "section",
    { class: "panel wide", "aria-labelledby": "layer-title" },
    h("header", {}, h("h2", { id: "layer-title" }, "What a layer learns"), h("div", { class: "picker" }, runs, layers)),
    body,
  );
}

const placeholder = (): HTMLElement =>
  h("p", { class: "soft empty" }, "Train, and the matrix of a layer appears here beside the factors that it is made of.");

/** The names of the runs on the switch. */
function showRuns(host: HTMLElement, { runs, looked }: PageState): void {
  for (const label of host.children) {
    const input = label.firstElementChild as HTMLInputElement;
    const run = runs[input.value as RunName];
    (label as HTMLElement).hidden = run === undefined;
    input.checked = looked.run === input.value;
    label.lastElementChild!.textContent = run === undefined ? "" : `${input.value.toUpperCase()} · ${titleOf(run.facts.conv)}`;
  }
}

function contentOf({ picture, filters }: Snapshot): HTMLElement[] {
  const figure = (caption: string, shape: readonly number[], className: string, ...content: HTMLElement[]): HTMLElement =>
    h("figure", { class: className }, h("figcaption", {}, caption, " ", h("span", { class: "soft" }, shape.join("×"))), ...content);
  const parts: HTMLElement[] = [];
  if (picture !== undefined) {
    const { whole, factors } = picture;
    parts.push(figure(whole.name === "W" ? "Matrix W" : "Kernel K as a matrix", whole.shape, "whole", drawValues(whole)));
    if (factors.length > 0)
      parts.push(
        h("div", { class: "factors" }, ...factors.map((factor) => figure(factor.name, factor.shape, "factor", drawFactor(factor)))),
      );
    parts.push(h("figure", { class: "spectrum" }, h("figcaption", {}, "Singular values"), spectrum(picture)));
  }
  if (filters !== undefined) {
    const count = filters.shape[0]!;
    const tiles = Array.from({ length: count }, (_, i) => drawFilter(filters, i));
    parts.push(figure("Filters of the first layer", filters.shape, "filters", h("div", { class: "tiles" }, ...tiles)));
  }
  return parts;
}

/** Bars of the singular values, relative to the largest. */
function spectrum({ singularValues }: LayerPicture): SVGSVGElement {
  const [width, height, room] = [260, 120, 16];
  const top = singularValues[0] || 1;
  const step = (width - 2) / singularValues.length;
  const label = `${singularValues.length} singular values from ${top.toPrecision(2)} to ${singularValues.at(-1)!.toPrecision(2)}`;
  const bars = [...singularValues].map((value, i) => {
    const tall = ((height - room) * value) / top;
    return s("rect", { x: 1 + i * step, y: height - room - tall, width: Math.max(0.6, step * 0.8), height: tall });
  });
  return s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    ...bars,
    s("text", { x: 1, y: height - 3, class: "tick" }, "1"),
    s("text", { x: width - 1, y: height - 3, class: "tick", "text-anchor": "end" }, String(singularValues.length)),
  );
}
