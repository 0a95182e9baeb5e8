/** Test images as the network sees them: attention maps, and the most confident mistakes. */

import type { Judgement, Snapshot } from "../snapshot.ts";
import { drawHeat, drawImage } from "./canvas.ts";
import { h, show } from "./dom.ts";
import { formatShare } from "./format.ts";
import type { Store } from "./state.ts";

export function imagesPanel(store: Store): HTMLElement {
  const attention = h("div", { class: "attention" });
  const mistakes = h("div", { class: "mistakes" });
  let drawn: Snapshot | undefined;
  const empty = (text: string): HTMLElement => h("p", { class: "soft empty" }, text);
  show(attention, empty("Attention maps appear once a run has begun."));
  show(mistakes, empty("Mistakes appear once a run has begun."));
  store.listen(({ snapshot, images }) => {
    if (snapshot?.snapshot === drawn || images === undefined) return;
    drawn = snapshot?.snapshot;
    if (drawn === undefined) return;
    const { classes } = images;
    show(attention, ...drawn.attended.map((judgement) => attended(judgement, classes)));
    const wrong = drawn.mistakes.map((judgement) => mistake(judgement, classes));
    show(mistakes, ...(wrong.length === 0 ? [empty("None among the first 128 test images.")] : wrong));
  });
  return h(
    "section",
    { class: "panel half", "aria-labelledby": "images-title" },
    h("h2", { id: "images-title" }, "Where it looks, and where it is wrong"),
    h("h3", {}, "Attention after each group of blocks"),
    attention,
    h("h3", {}, "Most confident mistakes"),
    mistakes,
  );
}

const attended = ({ image, label, attention }: Judgement, classes: readonly string[]): HTMLElement =>
  h("figure", { title: classes[label] }, drawImage(image, classes[label]!), ...attention.map(drawHeat));

const mistake = ({ image, label, prediction, confidence }: Judgement, classes: readonly string[]): HTMLElement =>
  h(
    "figure",
    {},
    drawImage(image, classes[label]!),
    h(
      "figcaption",
      {},
      h("strong", {}, classes[prediction]!),
      " ",
      h("span", { class: "share" }, formatShare(confidence, 0)),
      h("span", { class: "soft" }, `is ${classes[label]}`),
    ),
  );
