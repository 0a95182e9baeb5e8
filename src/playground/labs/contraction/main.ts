/** The contraction lab: puts its page together. */

import type { EinsumPlan } from "../../../ops/einsum.ts";
import { h, show } from "../../page/dom.ts";
import { formatCount, formatMagnitude } from "../../page/format.ts";
import { themeButton } from "../../page/theme.ts";
import {
  formatState,
  type LabState,
  labelsIn,
  largestSize,
  longestEquation,
  parseState,
  sizesFor,
  startState,
} from "./contraction-link.ts";
import { edgesOf, placesOf, termName } from "./diagram.ts";
import { diagramView } from "./diagram-view.ts";
import { firstTerms, type Order, ordersOf, type Step, termsAfter } from "./orders.ts";
import { planOf } from "./plan-of.ts";
import { presets } from "./presets.ts";

let state: LabState = startState;

const alert = h("div", { class: "notice error", role: "alert", hidden: true });
const equation = h("input", {
  type: "text",
  id: "equation",
  spellcheck: "false",
  autocomplete: "off",
  autocapitalize: "off",
  maxlength: longestEquation,
  "aria-describedby": "fault",
  input: () => change({ equation: equation.value, sizes: sizesFor(equation.value, state.sizes), step: 0 }),
});
const fault = h("p", { class: "error fault", id: "fault", role: "status" });
const sizeFields = h("div", { class: "sizes" });
const lesson = h("p", { class: "soft" });
const results = h("div", { class: "contraction" });

const presetButtons = presets.map(({ title, equation: text, sizes }) =>
  h(
    "button",
    {
      type: "button",
      click: () => change({ equation: text, sizes: sizesFor(text, new Map(Object.entries(sizes))), step: 0, order: "library" }),
    },
    title,
  ),
);

/** Whether the state has the equation and the sizes of a preset. */
const isShown = ({ equation: text, sizes }: (typeof presets)[number]): boolean =>
  text === state.equation && Object.entries(sizes).every(([label, size]) => state.sizes.get(label) === size);

function change(changes: Partial<LabState>): void {
  state = { ...state, ...changes };
  alert.hidden = true;
  update();
}

/** A number of multiply-adds: exact while it is short. */
const formatCost = (cost: number): string =>
  cost < 1e9 ? formatCount(cost) : cost < 1e12 ? formatMagnitude(cost) : cost.toExponential(2).replace("e+", "·10^");

const ratio = (cost: number, least: number): string => {
  const times = cost / least;
  return times < 1000 ? `${Number(times.toPrecision(times < 10 ? 2 : 3))}×` : `${formatMagnitude(times)}×`;
};

/** One field for each label. Fields of labels that stay keep the focus. */
function updateSizes(): void {
  const labels = labelsIn(state.equation);
  if ([...sizeFields.children].map((each) => (each as HTMLElement).dataset.label).join("") !== labels.join(""))
    show(
      sizeFields,
      ...labels.map((label) => {
        const input = h("input", {
          type: "number",
          min: 1,
          max: largestSize,
          step: 1,
          required: true,
          inputmode: "numeric",
          input: () => {
            if (input.checkValidity()) change({ sizes: new Map(state.sizes).set(label, input.valueAsNumber) });
          },
          change: () => {
            input.value = String(state.sizes.get(label));
          },
        });
        return h("label", { class: "size-field", "data-label": label }, h("span", {}, label), input);
      }),
    );
  for (const field of sizeFields.querySelectorAll("label")) {
    const input = field.querySelector("input")!;
    if (input !== document.activeElement) input.value = String(state.sizes.get(field.dataset.label!));
  }
}

function update(): void {
  if (equation.value !== state.equation) equation.value = state.equation;
  updateSizes();
  const preset = presets.find(isShown);
  show(
    lesson,
    preset?.lesson ?? "Each operand is a node. An edge is an axis that two operands share; a dangling edge stays in the output.",
  );
  presetButtons.forEach((button, i) => {
    button.setAttribute("aria-pressed", String(presets[i] === preset));
  });
  try {
    const plan = planOf(state.equation, state.sizes);
    show(fault);
    equation.removeAttribute("aria-invalid");
    showPlan(plan);
  } catch (error) {
    show(fault, error instanceof Error ? error.message : String(error));
    equation.setAttribute("aria-invalid", "true");
    show(results);
  }
  const hash = formatState(state);
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

function showPlan(plan: EinsumPlan): void {
  const { orders, tried } = ordersOf(plan);
  const order = orders.find(({ name }) => name === state.order) ?? orders[0]!;
  const { steps } = order;
  state = { ...state, order: order.name, step: Math.min(state.step, steps.length) };
  const focused = document.activeElement?.getAttribute("data-focus");
  const operands = firstTerms(plan);
  const terms = termsAfter(plan, steps.slice(0, state.step));
  const next = steps[state.step];
  show(
    results,
    h(
      "div",
      { class: "stack" },
      h(
        "section",
        { class: "panel", "aria-label": "Diagram" },
        stepButtons(steps),
        h("p", { class: "sentence", "aria-live": "polite" }, sentence(plan, steps)),
        diagramView(plan, terms, placesOf(operands, edgesOf(plan, operands)), next),
      ),
      stepsPanel(order, plan),
    ),
    ordersPanel(orders, order, tried),
  );
  // The parts were made anew, and the keyboard stays where it was.
  if (focused) {
    const target = results.querySelector<HTMLElement>(`[data-focus="${focused}"]`);
    (target instanceof HTMLButtonElement && target.disabled
      ? results.querySelector<HTMLElement>("button:not(:disabled)")
      : target
    )?.focus();
  }
}

const stepText = ({ left, right, result }: Step): string => `${left.labels.join("")},${right.labels.join("")}→${result.labels.join("")}`;

function sentence(plan: EinsumPlan, steps: readonly Step[]): string {
  const next = steps[state.step];
  if (steps.length === 0) return "One operand: there is nothing to contract, only axes to sum, to take a diagonal of, or to reorder.";
  if (next === undefined) return `All is contracted to one tensor with the axes ${plan.output.join(", ") || "of a scalar: none"}.`;
  return `Next, ${termName(next.left)} and ${termName(next.right)}: ${stepText(next)}, ${formatCost(next.multiplyAdds)} multiply-adds.`;
}

function stepButtons(steps: readonly Step[]): HTMLElement {
  const button = (text: string, label: string, to: number, primary = false): HTMLElement =>
    h(
      "button",
      {
        type: "button",
        class: primary && "primary",
        "aria-label": label,
        "data-focus": label,
        disabled: to < 0 || to > steps.length || to === state.step,
        click: () => change({ step: to }),
      },
      text,
    );
  return h(
    "div",
    { class: "buttons" },
    button("Start", "To the start", 0),
    button("◀ Back", "Back one step", state.step - 1),
    button("Step ▶", "Step forwards", state.step + 1, true),
    button("End", "To the end", steps.length),
    h("span", { class: "place" }, `step ${state.step} of ${steps.length}`),
  );
}

function ordersPanel(orders: readonly Order[], chosen: Order, tried: number | undefined): HTMLElement {
  const [least, most] = [Math.min, Math.max].map((choose) => choose(...orders.map(({ multiplyAdds }) => multiplyAdds))) as [number, number];
  return h(
    "section",
    { class: "panel", "aria-label": "Orders" },
    h("h2", {}, "Orders"),
    h(
      "fieldset",
      { class: "orders" },
      h("legend", {}, "The order to step through"),
      ...orders.map((order) => {
        const { name, title, multiplyAdds } = order;
        const share = h("span", {});
        share.style.setProperty("--share", String(most === 0 ? 0 : multiplyAdds / most));
        return h(
          "label",
          { class: "order" },
          h("input", {
            type: "radio",
            name: "order",
            value: name,
            checked: order === chosen,
            "data-focus": `order-${name}`,
            change: () => change({ order: name, step: 0 }),
          }),
          h("span", { class: "order-title" }, title),
          h("span", { class: "number" }, formatCost(multiplyAdds)),
          h("span", { class: "soft times" }, least === 0 ? "" : ratio(multiplyAdds, least)),
          h("span", { class: `bar ${name}` }, share),
        );
      }),
    ),
    h(
      "p",
      { class: "soft hint" },
      tried === undefined
        ? "Multiply-adds of the whole. All orders are tried for up to five operands."
        : `Multiply-adds of the whole. Of these operands there ${tried === 1 ? "is 1 order" : `are ${tried} orders`}; all were tried.`,
    ),
  );
}

function stepsPanel({ title, steps, multiplyAdds }: Order, plan: EinsumPlan): HTMLElement {
  const all = [...plan.sizes.values()].reduce((product, size) => product * size, 1) * Math.max(1, plan.inputs.length - 1);
  return h(
    "section",
    { class: "panel", "aria-label": "Steps" },
    h("h2", {}, title),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "The steps as a table" },
      h(
        "table",
        { class: "steps" },
        h("thead", {}, h("tr", {}, ...["", "terms", "einsum", "multiply-adds"].map((text) => h("th", { scope: "col" }, text || "step")))),
        h(
          "tbody",
          {},
          ...steps.map((step, i) =>
            h(
              "tr",
              { class: i < state.step ? "done" : i === state.step ? "next" : "" },
              h("th", { scope: "row" }, String(i + 1)),
              h("td", {}, `${termName(step.left)} · ${termName(step.right)}`),
              h("td", { class: "mono" }, stepText(step)),
              h("td", { class: "number" }, formatCost(step.multiplyAdds)),
            ),
          ),
        ),
        h(
          "tfoot",
          {},
          h("tr", {}, h("th", { scope: "row", colspan: 3 }, "the whole"), h("td", { class: "number" }, formatCost(multiplyAdds))),
        ),
      ),
    ),
    h("p", { class: "soft hint" }, `One loop over all labels at once would take ${formatCost(all)} multiplications.`),
  );
}

/** Takes the state of the address, or the first preset and says what is wrong. */
function openAddress(): void {
  try {
    change(parseState(location.hash));
  } catch (error) {
    change(startState);
    show(alert, h("p", {}, error instanceof Error ? error.message : String(error)));
    alert.hidden = false;
  }
}

addEventListener("hashchange", openAddress);
addEventListener("keydown", (event) => {
  const { key, target, altKey, ctrlKey, metaKey } = event;
  const steps = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (steps === undefined || altKey || ctrlKey || metaKey || (target as Element).closest("input, .scroll") !== null) return;
  event.preventDefault();
  change({ step: Math.max(0, state.step + steps) });
});

document.querySelector("#theme")!.replaceWith(themeButton(() => undefined));
document
  .querySelector("#app")!
  .replaceChildren(
    h("div", { class: "presets buttons", role: "group", "aria-label": "Examples" }, ...presetButtons),
    alert,
    h(
      "section",
      { class: "panel question", "aria-label": "The einsum" },
      h("label", { for: "equation" }, "Equation"),
      equation,
      fault,
      h("div", { role: "group", "aria-label": "Sizes of the axes" }, sizeFields),
      lesson,
    ),
    results,
  );
openAddress();
document.documentElement.dataset.ready = "true";
