/** A small canvas to draw on, or to drop a picture on, and what each run takes the picture for. */

import type { Connection } from "./connection.ts";
import { h, show } from "./dom.ts";
import { formatShare } from "./format.ts";
import { imageBytes, squareBytes } from "./image-bytes.ts";
import type { PageState, Store } from "./state.ts";

/** Pixels of the canvas. The network sees it at 32×32. */
const side = 256;
const inks = { background: "#3a6ea5", stroke: "#f2c14e" } as const;
/** In pixels of the canvas. */
const brush = 26;
/** The likeliest classes that are shown. */
const shownClasses = 4;

export function drawPanel(store: Store, connection: Connection): HTMLElement {
  const canvas = h("canvas", {
    width: side,
    height: side,
    class: "pad",
    role: "img",
    "aria-label": "Drawing area. A picture can be chosen instead.",
  });
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const results = h("div", { class: "results", role: "status" });
  let isEmpty = true;
  const clear = (): void => {
    context.fillStyle = inks.background;
    context.fillRect(0, 0, side, side);
    isEmpty = true;
    store.update((state) => ({ ...state, drawn: {} }));
  };
  const classify = (): void => {
    isEmpty = false;
    if (store.state.images !== undefined) connection.send({ kind: "classify", image: squareBytes(canvas, side, side) });
  };
  clear();
  drawStrokes(canvas, context, classify);

  const take = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    try {
      // The pad shows what the network sees: 32×32 pixels.
      const bitmap = await createImageBitmap(file);
      const shorter = Math.min(bitmap.width, bitmap.height);
      context.drawImage(bitmap, (bitmap.width - shorter) / 2, (bitmap.height - shorter) / 2, shorter, shorter, 0, 0, side, side);
      isEmpty = false;
      if (store.state.images !== undefined) connection.send({ kind: "classify", image: await imageBytes(file) });
    } catch {
      store.fail(new Error(`${file.name} is no picture that this browser can read.`));
    }
  };
  canvas.addEventListener("dragover", (event) => event.preventDefault());
  canvas.addEventListener("drop", (event) => {
    event.preventDefault();
    void take(event.dataTransfer?.files[0]);
  });
  const input = h("input", { type: "file", accept: "image/*", class: "hidden", "aria-label": "Picture to classify", tabindex: -1 });
  input.addEventListener("change", () => void take(input.files?.[0]));

  store.listen((state) => show(results, ...resultsOf(state, isEmpty)));
  return h(
    "section",
    { class: "panel half draw", "aria-labelledby": "draw-title" },
    h("h2", { id: "draw-title" }, "Try it"),
    h(
      "div",
      { class: "try" },
      h(
        "div",
        {},
        canvas,
        h(
          "div",
          { class: "buttons" },
          h("button", { type: "button", click: clear }, "Clear"),
          h("button", { type: "button", click: () => input.click() }, "Choose a picture"),
          input,
        ),
      ),
      results,
    ),
  );
}

/** Draws with the pointer, and calls `done` after each stroke. */
function drawStrokes(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, done: () => void): void {
  let last: readonly [number, number] | undefined;
  const at = (event: PointerEvent): readonly [number, number] => [
    (event.offsetX * side) / canvas.clientWidth,
    (event.offsetY * side) / canvas.clientHeight,
  ];
  const lineTo = (to: readonly [number, number]): void => {
    Object.assign(context, { strokeStyle: inks.stroke, lineWidth: brush, lineCap: "round" });
    context.beginPath();
    context.moveTo(...(last ?? to));
    context.lineTo(...to);
    context.stroke();
    last = to;
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    lineTo(at(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last !== undefined) lineTo(at(event));
  });
  canvas.addEventListener("pointerup", () => {
    if (last === undefined) return;
    last = undefined;
    done();
  });
}

function resultsOf({ drawn, images, runs }: PageState, isEmpty: boolean): HTMLElement[] {
  if (images === undefined)
    return [h("p", { class: "soft" }, "Start a run, then draw: the runs classify what you draw, or a picture that you drop here.")];
  const found = (["a", "b"] as const).flatMap((run) =>
    drawn[run] === undefined || runs[run] === undefined ? [] : [{ run, p: drawn[run] }],
  );
  if (found.length === 0) return [h("p", { class: "soft" }, isEmpty ? "Draw a shape, or drop a picture." : "Draw again to classify.")];
  return found.map(({ run, p }) => {
    const likeliest = [...p.entries()].sort((x, y) => y[1] - x[1]).slice(0, shownClasses);
    return h(
      "div",
      { class: `guess ${run}` },
      h("h3", {}, `Run ${run.toUpperCase()}`),
      ...likeliest.map(([label, share]) => {
        const bar = h("div", { class: "bar", "aria-hidden": "true" }, h("span", {}));
        (bar.firstElementChild as HTMLElement).style.setProperty("--share", share.toFixed(3));
        return h(
          "div",
          { class: "guess-row" },
          h("span", {}, images.classes[label]!),
          h("span", { class: "number" }, formatShare(share, 0)),
          bar,
        );
      }),
    );
  });
}
