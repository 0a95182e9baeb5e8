/** Tables of the accuracy of each class, with the class that it is most often confused with. */

import { largest } from "../core/extent.ts";
import { classAccuracies, type Evaluation } from "../train/evaluate.ts";
import { formatCount, formatPercent, formatTable } from "./format.ts";

const barWidth = 20;

/** A bar for a share in [0, 1], drawn in eighths of a character. */
export function bar(share: number): string {
  const eighths = Math.round(share * barWidth * 8);
  return "█".repeat(Math.floor(eighths / 8)) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]!;
}

/** A table with a row a class. Where there are more than `most` classes, it has the least accurate ones. Default of `most`: ∞. */
export function formatClassTable(evaluation: Evaluation, classes: readonly string[], most: number = Infinity): string {
  const accuracies = classAccuracies(evaluation);
  const order = classes.map((_, label) => label);
  const shown = order.length <= most ? order : order.sort((a, b) => (accuracies[a] ?? 2) - (accuracies[b] ?? 2)).slice(0, most);
  const rows = shown.map((label) => {
    const row = evaluation.confusion[label]!;
    const images = row.reduce((total, n) => total + n, 0);
    const wrong = row.map((n, prediction) => (prediction === label ? 0 : n));
    const worst = wrong.indexOf(largest(wrong));
    const mistake = wrong[worst]! > 0 ? `${classes[worst]} (${formatPercent(wrong[worst]! / images)})` : "";
    const accuracy = accuracies[label];
    return [classes[label]!, formatCount(images), accuracy === undefined ? "–" : formatPercent(accuracy), bar(accuracy ?? 0), mistake];
  });
  const table = formatTable(["class", "images", "accuracy", "", "most often taken for"], rows, ["left", "right", "right", "left", "left"]);
  return shown.length === classes.length ? table : `${table}  (the ${shown.length} least accurate of ${classes.length} classes)\n`;
}

/** The rows of the table as values, for JSON. */
export const classRows = (
  evaluation: Evaluation,
  classes: readonly string[],
): { class: string; images: number; accuracy: number | null }[] =>
  classAccuracies(evaluation).map((accuracy, label) => ({
    class: classes[label]!,
    images: evaluation.confusion[label]!.reduce((total, n) => total + n, 0),
    accuracy: accuracy ?? null,
  }));
