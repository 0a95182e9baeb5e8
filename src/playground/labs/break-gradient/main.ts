/** The page of the lab: an editor, the verdict, and the counterexample that becomes smaller. */

import { h, show } from "../../page/dom.ts";
import { plural } from "../../page/format.ts";
import { themeButton } from "../../page/theme.ts";
import { type Exercise, exercises } from "./exercises.ts";
import { type Counterexample, type Verdict, worstElement } from "./verdict.ts";
import type { CheckAnswer, CheckRequest } from "./worker.ts";

/** A text is checked when nothing has been typed for this long, in milliseconds. */
const typingPause = 350;
/** A text that has not been checked after this long does not end, in milliseconds. */
const patience = 15_000;
/** The time between two counterexamples, in milliseconds. */
const shrinkPause = 260;
/** The most counterexamples that are shown one after the other. */
const mostShown = 12;

let exercise: Exercise = exercises[0]!;
let asked = 0;
let worker = startWorker();
let impatience: ReturnType<typeof setTimeout> | undefined;
let typing: ReturnType<typeof setTimeout> | undefined;
let shrinking: ReturnType<typeof setTimeout> | undefined;

const editor = h("textarea", { spellcheck: "false", rows: 9, "aria-label": "Source of the VJP", class: "editor", input: typed });
const equation = h("p", { class: "equation" });
const faults = h("div", { class: "buttons" });
const verdict = h("div", { class: "verdict", role: "status" });
const steps = h("ol", { class: "shrinking" });
const picker = h(
  "select",
  {
    "aria-label": "Op",
    change: () => {
      exercise = exercises.find(({ name }) => name === picker.value)!;
      begin();
    },
  },
  ...exercises.map(({ name, title }) => h("option", { value: name }, title)),
);

function startWorker(): Worker {
  const started = new Worker(new URL("./break-gradient-worker.js", import.meta.url), { type: "module" });
  started.onmessage = ({ data: { id, verdict } }: MessageEvent<CheckAnswer>) => {
    if (id !== asked) return;
    clearTimeout(impatience);
    showVerdict(verdict);
  };
  return started;
}

function begin(): void {
  editor.value = exercise.source;
  show(equation, exercise.equation);
  show(
    faults,
    h("button", { type: "button", click: () => write(exercise.source) }, "Right again"),
    ...exercise.faults.map(({ label, from, to }) =>
      h("button", { type: "button", click: () => write(exercise.source.replace(from, to)) }, label),
    ),
  );
  check();
}

function write(source: string): void {
  editor.value = source;
  check();
}

function typed(): void {
  clearTimeout(typing);
  typing = setTimeout(check, typingPause);
}

function check(): void {
  clearTimeout(typing);
  clearTimeout(impatience);
  clearTimeout(shrinking);
  show(steps);
  show(verdict, h("p", { class: "soft" }, "Checking…"));
  verdict.dataset.kind = "checking";
  impatience = setTimeout(() => {
    worker.terminate();
    worker = startWorker();
    showVerdict({ kind: "unreadable", message: "The text does not end. Is there a loop in it?" });
  }, patience);
  const request: CheckRequest = { id: ++asked, exercise: exercise.name, source: editor.value };
  worker.postMessage(request);
}

function showVerdict(found: Verdict): void {
  verdict.dataset.kind = found.kind;
  if (found.kind === "right") show(verdict, h("p", {}, `Right: ${found.runs} generated inputs agree with central differences.`));
  else if (found.kind === "unreadable") show(verdict, h("p", {}, found.message));
  else {
    const count = found.path.length;
    show(
      verdict,
      h(
        "p",
        {},
        count === 1
          ? "Wrong, and the first counterexample is the smallest."
          : `Wrong. fast-check shrinks the counterexample ${plural(count - 1, "time")}.`,
      ),
    );
    shrink(shownOf(found.path));
  }
}

/** The first counterexample, the last ones, and some between them. */
function shownOf(path: readonly Counterexample[]): readonly Counterexample[] {
  if (path.length <= mostShown) return path;
  return Array.from({ length: mostShown }, (_, i) => path[Math.round((i * (path.length - 1)) / (mostShown - 1))]!);
}

/** Shows one counterexample after the other; all at once for visitors who want no motion. */
function shrink([first, ...rest]: readonly Counterexample[]): void {
  if (first === undefined) return;
  steps.prepend(h("li", { class: rest.length === 0 ? "smallest" : "" }, ...pictureOf(first, rest.length === 0)));
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) shrink(rest);
  else if (rest.length > 0) shrinking = setTimeout(() => shrink(rest), shrinkPause);
}

function pictureOf(found: Counterexample, isSmallest: boolean): HTMLElement[] {
  const { rows, columns, x, g, got, expected } = found;
  const worst = worstElement(found);
  const gRows = g.length / (g.length === x.length ? columns : rows);
  return [
    h("strong", {}, isSmallest ? "The smallest counterexample" : `${rows}×${columns}`),
    h(
      "div",
      { class: "numbers" },
      grid("x", x, columns),
      grid("g", g, g.length / gRows),
      typeof got === "string" ? h("p", { class: "error" }, got) : grid("your cotangent of x", got, columns, worst),
      grid("differences", expected, columns, worst),
    ),
  ];
}

/** Four significant digits, with a real minus sign. */
const written = (value: number): string => (Math.abs(value) < 1e-9 ? "0" : String(Number(value.toPrecision(4))).replace(/^-/, "−"));

/** A matrix of numbers with its name. @param marked The element that is most wrong. */
function grid(name: string, values: readonly number[], columns: number, marked = -1): HTMLElement {
  const cells = values.map((value, i) => h("span", { class: i === marked ? "marked" : "" }, written(value)));
  const body = h("div", { class: "grid" }, ...cells);
  body.style.setProperty("--columns", String(columns));
  return h("figure", {}, h("figcaption", {}, name), body);
}

document.querySelector("#theme")!.replaceWith(themeButton(() => {}));
document
  .querySelector("#app")!
  .replaceChildren(
    h(
      "div",
      { class: "halves" },
      h(
        "section",
        { class: "panel", "aria-labelledby": "editor-title" },
        h("header", {}, h("h2", { id: "editor-title" }, "The op and its VJP"), picker),
        equation,
        h(
          "p",
          { class: "soft idea" },
          "The text is a function of x and of g, the cotangent of y. It returns the cotangent of x. Edit it, or break it:",
        ),
        editor,
        faults,
        h(
          "p",
          { class: "soft idea" },
          "It may call add, subtract, multiply, divide, negate, exp, sigmoid, tanh, sum, mean, softmax, matmul and transpose.",
        ),
      ),
      h(
        "section",
        { class: "panel", "aria-labelledby": "verdict-title" },
        h("h2", { id: "verdict-title" }, "Verdict of the differences"),
        verdict,
        steps,
      ),
    ),
  );
begin();
document.documentElement.dataset.ready = "true";
