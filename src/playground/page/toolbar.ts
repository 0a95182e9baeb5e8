/** The bar of the runs: train, pause, step, reset; how far the runs are, and how fast. */

import { largest } from "../../core/extent.ts";
import type { RunName } from "../settings.ts";
import type { Connection } from "./connection.ts";
import { h, show } from "./dom.ts";
import { formatCount } from "./format.ts";
import { type PageState, type Store, totalSteps } from "./state.ts";

const mainLabels = { idle: "Train", preparing: "Preparing…", running: "Pause", paused: "Go on", finished: "Train again" } as const;

export function toolbar(store: Store, connection: Connection): HTMLElement {
  const main = h("button", { type: "button", class: "primary", click: () => press(store, connection) });
  const step = h("button", { type: "button", click: () => connection.send({ kind: "step" }), title: "Make one step of each run" }, "Step");
  const reset = h("button", { type: "button", click: () => connection.send({ kind: "reset" }) }, "Reset");
  const progress = h("progress", { max: 1, value: 0, "aria-label": "Progress of the runs" });
  const place = h("span", { class: "place" });
  const speed = h("span", { class: "speed" });
  const backend = h("span", { class: "chip" });
  store.listen((state) => {
    const { status, runs } = state;
    show(main, mainLabels[status]);
    main.disabled = status === "preparing";
    main.dataset.status = status;
    step.disabled = status !== "paused";
    reset.disabled = status === "idle";
    const done = largest([0, ...Object.values(runs).map(({ steps }) => steps.at(-1)?.step ?? 0)]);
    const total = totalSteps(state);
    progress.value = total === 0 ? 0 : done / total;
    show(place, total === 0 ? "not started" : `step ${formatCount(done)} of ${formatCount(total)}`);
    const pace = paceOf(state);
    show(speed, pace === undefined ? "" : `${formatCount(pace)} images/s`);
    show(backend, backendText(state));
    backend.title = state.backend?.notes.join("; ") ?? "";
    backend.hidden = state.backend === undefined;
  });
  return h(
    "div",
    { class: "toolbar" },
    h("div", { class: "buttons" }, main, step, reset),
    h("div", { class: "progress" }, progress, place, speed),
    backend,
  );
}

function press(store: Store, connection: Connection): void {
  const { status, settings, pictures } = store.state;
  if (status === "running") connection.send({ kind: "pause" });
  else if (status === "paused") connection.send({ kind: "resume" });
  else if (status !== "preparing") connection.send({ kind: "start", settings, pictures });
}

/** The images per second of both runs together: while one trains, the other waits. */
export function paceOf({ runs }: PageState): number | undefined {
  const paces = (["a", "b"] as readonly RunName[]).flatMap((name) => runs[name]?.steps.at(-1)?.imagesPerSecond ?? []);
  return paces.length === 0 ? undefined : paces.length / paces.reduce((sum, pace) => sum + 1 / pace, 0);
}

const backendText = ({ backend }: PageState): string => {
  if (backend === undefined) return "";
  const { name, threads, simd, adapter } = backend;
  if (adapter !== undefined) return `${name} on ${adapter.name}${adapter.software ? ", which is software" : ""}`;
  const workers = name === "wasm" ? `, ${threads} ${threads === 1 ? "thread" : "threads"}` : "";
  return `${name}${workers}${simd === undefined ? "" : `, ${simd} SIMD`}`;
};
