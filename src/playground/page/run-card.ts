/** The card of a run: its family and size, what they cost beside the dense network, and how well the run does. */

import { networkOf } from "../../experiment/settings.ts";
import { type Costs, costsOf } from "../costs.ts";
import { type FamilyChoice, familyChoices, placeOf } from "../family-choices.ts";
import { type PlaygroundSettings, type RunName, settingsOfRun } from "../settings.ts";
import type { Connection } from "./connection.ts";
import { h, show } from "./dom.ts";
import { formatCount, formatMagnitude, formatShare, formatTimes } from "./format.ts";
import { isStarted, type PageState, type Store } from "./state.ts";

const titles = { a: "Run A", b: "Run B" } as const;

export function runCard(store: Store, connection: Connection, name: RunName): HTMLElement {
  const choose = (conv: string): void => {
    const { state } = store;
    if (state.runs[name] === undefined) store.update((old) => ({ ...old, settings: { ...old.settings, [name]: conv } }));
    else if (conv !== state.runs[name].facts.conv) connection.send({ kind: "change-family", run: name, conv });
  };
  const family = h(
    "select",
    { change: () => choose(family.value === "none" ? "none" : usualSize(family.value)), "aria-label": `Family of ${titles[name]}` },
    ...familyChoices.map(({ kind, title }) => h("option", { value: kind }, title)),
    name === "b" && h("option", { value: "none" }, "no second run"),
  );
  const size = h("input", { type: "range", min: 0, step: 1, "aria-label": `Size of ${titles[name]}` });
  const written = h("output", { class: "size" });
  const idea = h("p", { class: "soft idea" });
  const body = h("div", { class: "card-body" });
  const selected = (): string => placeOf(usualSize(family.value))!.family.sizes[Number(size.value)]!;
  size.addEventListener("input", () => show(written, numbersOf(selected())));
  size.addEventListener("change", () => choose(selected()));
  store.listen((state) => {
    const conv = convOf(state, name);
    const isMissing = conv === "none";
    const place = placeOf(conv);
    family.value = isMissing ? "none" : (place?.family.kind ?? "");
    for (const option of family.options) {
      const choice = familyChoices.find(({ kind }) => kind === option.value);
      // A run that is there does not wait for a slow fit, and a second run does not appear in the middle.
      option.disabled = isStarted(state) && (choice === undefined || (choice.slowFit === true && choice.kind !== place?.family.kind));
    }
    family.disabled = state.status === "preparing" || (isStarted(state) && state.runs[name] === undefined);
    const sizes = place?.family.sizes.length ?? 0;
    size.max = String(Math.max(0, sizes - 1));
    size.disabled = sizes <= 1 || family.disabled;
    size.hidden = sizes <= 1;
    written.hidden = sizes <= 1;
    size.value = String(place?.size ?? 0);
    size.setAttribute("aria-valuetext", numbersOf(conv));
    show(written, numbersOf(conv));
    show(idea, place?.family.idea ?? (isMissing ? "One run alone has the whole machine." : conv));
    show(body, ...(isMissing ? [] : bodyOf(state, name, conv)));
  });
  return h(
    "section",
    { class: `panel run ${name}`, "aria-label": titles[name] },
    h("header", {}, h("h2", {}, titles[name]), h("div", { class: "picker" }, family, size, written)),
    idea,
    body,
  );
}

const usualSize = (kind: string): string => {
  const choice = familyChoices.find((candidate) => candidate.kind === kind) as FamilyChoice;
  return choice.sizes[choice.usual]!;
};

/** The numbers in a text of `--conv`, as the slider shows them. */
const numbersOf = (conv: string): string => conv.split("_").slice(1).join(" ");

const convOf = ({ runs, settings }: PageState, name: RunName): string => runs[name]?.facts.conv ?? settings[name];

function bodyOf(state: PageState, name: RunName, conv: string): HTMLElement[] {
  const run = state.runs[name];
  const costs = run?.facts ?? estimate(state.settings, conv);
  if (typeof costs === "string") return [h("p", { class: "error" }, costs)];
  const bars = [
    costBar("Parameters", costs.parameters, costs.denseParameters, formatCount(costs.parameters)),
    costBar("Multiply-adds", costs.multiplyAdds, costs.denseMultiplyAdds, formatMagnitude(costs.multiplyAdds)),
  ];
  const [test, step] = [run?.tests.at(-1), run?.steps.at(-1)];
  const figure = (label: string, value: string): HTMLElement => h("div", { class: "figure" }, h("dd", {}, value), h("dt", {}, label));
  const figures = h(
    "dl",
    { class: "figures" },
    figure("test accuracy", test === undefined ? "–" : formatShare(test.accuracy)),
    figure("training loss", step === undefined ? "–" : step.loss.toFixed(3)),
    figure("images/s", step === undefined ? "–" : formatCount(step.imagesPerSecond)),
  );
  const changes = (run?.changes ?? []).map(({ step, conv, relativeError }) =>
    h("p", { class: "soft" }, `Step ${step}: nearest ${conv}, which lost ${formatShare(relativeError, 0)} of the kernels.`),
  );
  return [...bars, figures, ...changes];
}

/** A cost as a part of that of the dense network. */
function costBar(label: string, own: number, dense: number, text: string): HTMLElement {
  const share = own / dense;
  const bar = h("div", { class: "bar", "aria-hidden": "true" }, h("span", {}));
  (bar.firstElementChild as HTMLElement).style.setProperty("--share", String(Math.min(1, share)));
  const beside =
    share >= 0.995 && share <= 1.005 ? "as dense" : share < 1 ? `${formatTimes(dense, own)} fewer` : `${formatTimes(own, dense)} more`;
  return h("div", { class: "cost" }, h("span", {}, label), h("span", { class: "number" }, text), bar, h("span", { class: "soft" }, beside));
}

const estimates = new Map<string, Costs | string>();

/** The costs before a run is there, for ten classes; or why there can be no such run. */
function estimate(settings: PlaygroundSettings, conv: string): Costs | string {
  const key = [settings.network, settings.depth, settings.width, conv].join();
  const known = estimates.get(key);
  if (known !== undefined) return known;
  const found = (() => {
    try {
      return costsOf(networkOf(settingsOfRun(settings, conv)), 10, 32);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  })();
  estimates.set(key, found);
  return found;
}
