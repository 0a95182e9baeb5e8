/** The confusion matrix of the run that is looked at: a row for each class of the images, a column for each prediction. */

import type { TestFacts } from "../messages.ts";
import { h, show } from "./dom.ts";
import type { Store } from "./state.ts";

/** More classes would be smaller than letters. */
const mostClasses = 20;

export function confusionPanel(store: Store): HTMLElement {
  const body = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Confusion matrix" });
  let drawn: TestFacts | undefined;
  store.listen(({ runs, looked, images }) => {
    const test = runs[looked.run]?.tests.at(-1);
    if (test === undefined || images === undefined) {
      drawn = undefined;
      show(body, h("p", { class: "soft empty" }, "The first test is after a quarter of an epoch."));
    } else if (test !== drawn) {
      drawn = test;
      const { classes } = images;
      show(
        body,
        classes.length > mostClasses ? h("p", { class: "soft" }, `${classes.length} classes are too many to show.`) : table(test, classes),
      );
    }
  });
  return h("section", { class: "panel half", "aria-labelledby": "confusion-title" }, h("h2", { id: "confusion-title" }, "Confusion"), body);
}

function table({ confusion }: TestFacts, classes: readonly string[]): HTMLElement {
  const rows = confusion.map((row, label) => {
    const total = Math.max(
      1,
      row.reduce((sum, count) => sum + count, 0),
    );
    const cells = row.map((count, prediction) => {
      const cell = h("td", { class: prediction === label ? "right" : "wrong" }, count === 0 ? "" : String(count));
      cell.style.setProperty("--share", (count / total).toFixed(3));
      return cell;
    });
    return h("tr", {}, h("th", { scope: "row" }, classes[label]!), ...cells);
  });
  return h(
    "table",
    { class: "confusion" },
    h("caption", {}, "Rows are the true classes, columns the predictions."),
    h("thead", {}, h("tr", {}, h("td"), ...classes.map((name) => h("th", { scope: "col" }, h("span", {}, name))))),
    h("tbody", {}, ...rows),
  );
}
