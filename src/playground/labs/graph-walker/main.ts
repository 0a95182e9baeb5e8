/** The graph walker: puts its page together. */

import { useBackend } from "../../../backend/active.ts";
import { createReferenceBackend } from "../../../backend/reference/reference-kernels.ts";
import { h, show } from "../../page/dom.ts";
import { themeButton } from "../../page/theme.ts";
import { details } from "./details.ts";
import { type GraphView, graphView } from "./graph-view.ts";
import type { OpFactsTable } from "./op-facts.ts";
import { programs } from "./programs.ts";
import { sayStep } from "./say-step.ts";
import { type Trace, traceOf } from "./trace.ts";
import { lastPosition, stateAt, turningPosition } from "./walk.ts";
import { formatPlace, parsePlace, startPlace, type WalkerPlace } from "./walker-link.ts";

/** What the sources say about the ops, which the bundler writes here. */
declare const opFacts: OpFactsTable;

useBackend(createReferenceBackend());

let place: WalkerPlace = startPlace;
let trace: Trace;
let view: GraphView;
/** The node that the visitor chose; undefined while the panel follows the walk. */
let selected: number | undefined;

const alert = h("div", { class: "notice error", role: "alert", hidden: true });
const formula = h("p", { class: "formula" });
const lesson = h("p", { class: "soft" });
const sentence = h("p", { class: "sentence", "aria-live": "polite" });
const count = h("span", { class: "place" });
const stage = h("div", { class: "stage" });
const panel = h("section", { class: "panel details", "aria-label": "The node" });
const slider = h("input", {
  type: "range",
  min: 0,
  "aria-label": "Step",
  input: () => go(Number(slider.value)),
});
const menu = h(
  "select",
  { "aria-label": "Graph", change: () => open({ graph: menu.value, step: 0 }) },
  ...programs.map(({ name, title }) => h("option", { value: name }, title)),
);
const button = (text: string, label: string, press: () => void): HTMLButtonElement =>
  h("button", { type: "button", "aria-label": label, title: label, click: press }, text);
const toStart = button("Start", "To the start", () => go(0));
const back = button("◀ Back", "Back one step (arrow left)", () => go(place.step - 1));
const next = button("Step ▶", "Step forwards (arrow right)", () => go(place.step + 1));
const turn = button("Loss", "To the loss, where the walk turns", () => go(turningPosition(trace)));
const toEnd = button("End", "To the end, where all gradients are known", () => go(lastPosition(trace)));
next.classList.add("primary");

function go(step: number): void {
  selected = undefined;
  place = { ...place, step: Math.max(0, Math.min(lastPosition(trace), step)) };
  update();
  if (place.step > 0 && document.documentElement.dataset.ready === "true") keepInView();
}

/** Scrolls so that the active node is on the screen, between the bar and the lower edge. */
function keepInView(): void {
  const { active } = stateAt(trace, place.step);
  if (active === undefined) return;
  const { top, bottom } = view.nodeElement(active).getBoundingClientRect();
  const room = panelIsBelow() ? panel.getBoundingClientRect().top : innerHeight;
  if (top < 150 || bottom > room - 70) scrollBy({ top: (top + bottom) / 2 - (room + 90) / 2 });
}

/** On a narrow page the panel lies over the lower part of the graph. */
const panelIsBelow = (): boolean => getComputedStyle(panel).position === "sticky" && innerWidth <= 860;

function open(wanted: WalkerPlace): void {
  const program = programs.find(({ name }) => name === wanted.graph)!;
  trace = traceOf(program.run());
  view = graphView(trace, (node) => {
    selected = selected === node ? undefined : node;
    update();
  });
  show(stage, view.element);
  show(formula, program.formula);
  show(lesson, program.lesson);
  menu.value = program.name;
  slider.max = String(lastPosition(trace));
  place = { graph: program.name, step: 0 };
  go(wanted.step);
}

function update(): void {
  const { step } = place;
  const state = stateAt(trace, step);
  view.show(state, selected);
  show(sentence, sayStep(trace, state));
  show(
    count,
    `${state.phase === "start" ? "start" : step < turningPosition(trace) ? "forwards" : "backwards"}, step ${step} of ${slider.max}`,
  );
  slider.value = String(step);
  for (const each of [toStart, back]) each.disabled = step === 0;
  for (const each of [next, toEnd]) each.disabled = step === lastPosition(trace);
  show(panel, ...details(trace, selected ?? state.active ?? trace.nodes.length - 1, state, opFacts));
  const hash = formatPlace(place);
  if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname + location.search);
}

/** Goes to the place that the address names, or to the start and says what is wrong. */
function openAddress(): void {
  alert.hidden = true;
  try {
    open(parsePlace(location.hash));
  } catch (error) {
    show(alert, h("p", {}, error instanceof Error ? error.message : String(error)));
    alert.hidden = false;
    open(startPlace);
  }
}

addEventListener("hashchange", openAddress);
addEventListener("keydown", (event) => {
  const { key, target, altKey, ctrlKey, metaKey } = event;
  const steps = { ArrowLeft: -1, ArrowRight: 1 }[key];
  // The menu and the slider use the arrows themselves.
  if (steps === undefined || altKey || ctrlKey || metaKey || (target as Element).closest("select, input") !== null) return;
  event.preventDefault();
  go(place.step + steps);
});

document.querySelector("#theme")!.replaceWith(themeButton(() => undefined));
document
  .querySelector("#app")!
  .replaceChildren(
    h(
      "div",
      { class: "toolbar walk" },
      menu,
      h("div", { class: "buttons" }, toStart, back, next, turn, toEnd),
      h("div", { class: "progress" }, slider, count),
    ),
    alert,
    h(
      "div",
      { class: "walker" },
      h("section", { class: "panel graph-panel", "aria-label": "The graph" }, formula, lesson, sentence, stage),
      panel,
    ),
  );
openAddress();
document.documentElement.dataset.ready = "true";
