/** The choices that both runs share: images, network and training. They stand while runs are there. */

import { dataSources, type PlaygroundSettings, usualRates } from "../settings.ts";
import { drawImage } from "./canvas.ts";
import { h, show } from "./dom.ts";
import { firstSamples } from "./first-samples.ts";
import { formatCount } from "./format.ts";
import { picturesInput } from "./pictures-input.ts";
import { isStarted, type Store } from "./state.ts";

const sourceNames = { synthetic: "Synthetic", cifar10: "CIFAR-10", pictures: "Your pictures" } as const;

type Changes = Partial<PlaygroundSettings>;

export function settingsPanel(store: Store): HTMLElement {
  const change = (changes: Changes): void => store.update((state) => ({ ...state, settings: { ...state.settings, ...changes } }));
  /** What each field shows for the settings. */
  const shown: ((settings: PlaygroundSettings) => void)[] = [];

  const select = (
    label: string,
    options: readonly (readonly [value: string, text: string])[],
    read: (s: PlaygroundSettings) => string,
    write: (value: string) => Changes,
    /** The text of a value of a link that is no option. */
    textOf: (value: string) => string = (value) => value,
  ): HTMLElement => {
    const field = h(
      "select",
      { change: () => change(write(field.value)) },
      ...options.map(([value, text]) => h("option", { value }, text)),
    );
    shown.push((settings) => {
      const value = read(settings);
      if (![...field.options].some((option) => option.value === value)) field.append(h("option", { value }, textOf(value)));
      field.value = value;
    });
    return h("label", { class: "field" }, h("span", {}, label), field);
  };
  const numbers = (
    label: string,
    name: "train" | "test" | "depth" | "width" | "epochs" | "batch",
    values: readonly number[],
  ): HTMLElement =>
    select(
      label,
      values.map((value) => [String(value), formatCount(value)] as const),
      (s) => String(s[name]),
      (value) => ({ [name]: Number(value) }),
      (value) => formatCount(Number(value)),
    );

  const source = h(
    "div",
    { class: "segments", role: "radiogroup", "aria-label": "Images" },
    ...dataSources.map((data) => {
      const input = h("input", { type: "radio", name: "data", value: data, change: () => change({ data }) });
      shown.push((settings) => {
        input.checked = settings.data === data;
      });
      return h("label", {}, input, h("span", {}, sourceNames[data]));
    }),
  );
  const rate = h("input", {
    type: "number",
    min: "0.00001",
    max: "10",
    step: "any",
    change: () => {
      const value = Number(rate.value);
      if (value > 0 && Number.isFinite(value)) change({ rate: value });
    },
  });
  const seed = h("input", {
    type: "number",
    min: "0",
    max: "4294967295",
    step: "1",
    change: () => {
      const value = Number(seed.value);
      if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) change({ seed: value });
    },
  });
  shown.push((settings) => {
    if (document.activeElement !== rate) rate.value = String(settings.rate);
    if (document.activeElement !== seed) seed.value = String(settings.seed);
  });
  const depth = numbers("Depth", "depth", [10, 16, 22, 28]);
  const counts = [
    numbers("Training images", "train", [500, 1000, 2000, 5000, 10_000, 50_000]),
    numbers("Test images", "test", [100, 200, 500, 1000, 2000, 10_000]),
  ];
  const samples = h("div", { class: "samples" });
  const pictures = picturesInput(store);
  const fields = h(
    "fieldset",
    {},
    h("legend", {}, "Settings of both runs"),
    h("h3", {}, "Images"),
    source,
    samples,
    pictures,
    h("div", { class: "pair" }, ...counts),
    h("h3", {}, "Network"),
    select(
      "Network",
      [
        ["wrn", "Wide ResNet"],
        ["fast", "Fast (airbench)"],
      ],
      (s) => s.network,
      (value) => ({ network: value as "wrn" | "fast" }),
    ),
    h("div", { class: "pair" }, depth, numbers("Width", "width", [1, 2, 3, 4])),
    h("h3", {}, "Training"),
    h("div", { class: "pair" }, numbers("Epochs", "epochs", [1, 2, 4, 8, 16, 32]), numbers("Batch", "batch", [16, 32, 64, 128, 256])),
    h(
      "div",
      { class: "pair" },
      select(
        "Optimiser",
        [
          ["sgd", "SGD"],
          ["adam", "Adam"],
          ["muon", "Muon"],
        ],
        (s) => s.optimizer,
        (value) => {
          const optimizer = value as PlaygroundSettings["optimizer"];
          return { optimizer, rate: usualRates[optimizer] };
        },
      ),
      h("label", { class: "field" }, h("span", {}, "Peak rate"), rate),
    ),
    h(
      "div",
      { class: "pair" },
      select(
        "Augment",
        [
          ["none", "none"],
          ["flip", "flip"],
          ["crop:4,flip", "crop, flip"],
        ],
        (s) => s.augment,
        (value) => ({ augment: value as PlaygroundSettings["augment"] }),
      ),
      h("label", { class: "field" }, h("span", {}, "Seed"), seed),
    ),
    select(
      "Compute on",
      [
        ["wasm", "CPU (WebAssembly)"],
        ["auto", "Graphics device, if faster"],
        ["webgpu", "WebGPU"],
        ["webgl2", "WebGL 2"],
      ],
      (s) => s.backend,
      (value) => ({ backend: value as PlaygroundSettings["backend"] }),
    ),
  );
  const hint = h("p", { class: "soft hint" }, "Reset the runs to change these.");
  let first: ReturnType<typeof firstSamples> | undefined;
  // Painting takes about 100 ms. The page works before.
  setTimeout(() => {
    first = firstSamples();
    store.update((state) => ({ ...state }));
  });
  store.listen((state) => {
    const { settings, images } = state;
    fields.disabled = isStarted(state);
    hint.hidden = !isStarted(state);
    for (const show of shown) show(settings);
    depth.hidden = settings.network !== "wrn";
    pictures.hidden = settings.data !== "pictures";
    for (const count of counts) count.hidden = settings.data === "pictures";
    showSamples(samples, images ?? (settings.data === "synthetic" ? first : undefined));
  });
  return h(
    "section",
    { class: "panel settings", "aria-labelledby": "settings-title" },
    h("h2", { id: "settings-title" }, "Settings"),
    hint,
    fields,
  );
}

/** What the samples were drawn from last, so that they are drawn once. */
const drawnFrom = new WeakMap<HTMLElement, object>();

/** A column of images for each class, at most ten. */
function showSamples(host: HTMLElement, images: { readonly classes: readonly string[]; readonly samples: Uint8Array } | undefined): void {
  host.hidden = images === undefined;
  if (images === undefined || drawnFrom.get(host) === images) return;
  drawnFrom.set(host, images);
  const { classes, samples } = images;
  const each = samples.length / classes.length / 3072;
  const columns = classes.slice(0, 10).map((name, label) => {
    const ofClass = Array.from({ length: Math.min(2, each) }, (_, i) => {
      const at = (label * each + i) * 3072;
      return drawImage(samples.subarray(at, at + 3072), name);
    });
    return h("figure", { title: name }, ...ofClass);
  });
  show(host, ...columns);
}
