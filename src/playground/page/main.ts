/** Puts the page together. */

import { formatLink, parseLink } from "../permalink.ts";
import { defaultSettings, type PlaygroundSettings } from "../settings.ts";
import { confusionPanel } from "./confusion-panel.ts";
import { connect } from "./connection.ts";
import { curvesPanel } from "./curves.ts";
import { h, show } from "./dom.ts";
import { drawPanel } from "./draw-panel.ts";
import { imagesPanel } from "./images-panel.ts";
import { isolationNotice } from "./isolation.ts";
import { layerPanel } from "./layer-panel.ts";
import { runCard } from "./run-card.ts";
import { settingsPanel } from "./settings-panel.ts";
import { initialState, isStarted, type PageState, Store } from "./state.ts";
import { takeAlong } from "./take-along.ts";
import { themeButton } from "./theme.ts";
import { toolbar } from "./toolbar.ts";

/** The settings of the address, and what is wrong with it. */
function settingsOfAddress(): { readonly settings: PlaygroundSettings; readonly problem: string | undefined } {
  try {
    return { settings: parseLink(location.hash), problem: undefined };
  } catch (error) {
    return { settings: defaultSettings, problem: error instanceof Error ? error.message : String(error) };
  }
}

const { settings, problem } = settingsOfAddress();
const store = new Store(initialState(settings));
if (problem !== undefined) store.fail(new Error(problem));
const connection = connect(store, download);

/** Gives the visitor a file. */
function download(name: string, bytes: Uint8Array): void {
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  h("a", { href: url, download: name }).click();
  // The browser has taken the file by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

const notice = h("div", { class: "notice", role: "alert" });
const close = h(
  "button",
  { type: "button", class: "quiet", click: () => store.update((state) => ({ ...state, notice: undefined })) },
  "Close",
);
let shown: PageState["notice"];
store.listen((state) => {
  notice.hidden = state.notice === undefined;
  if (state.notice === shown) return;
  shown = state.notice;
  notice.classList.toggle("error", shown?.isError === true);
  show(notice, h("p", {}, shown?.text ?? ""), close);
});

// The address follows the settings, so that a reload keeps them.
let link = location.hash;
store.listen(({ settings }) => {
  const next = formatLink(settings);
  if (next === link) return;
  link = next;
  history.replaceState(null, "", next || location.pathname + location.search);
});

// A link that is opened in this page changes only the hash.
addEventListener("hashchange", () => {
  if (location.hash === link || isStarted(store.state)) return;
  const read = settingsOfAddress();
  store.update((state) => ({ ...state, settings: read.settings }));
  if (read.problem !== undefined) store.fail(new Error(read.problem));
});

document.querySelector("#theme")!.replaceWith(themeButton(() => store.update((state) => ({ ...state }))));
document.querySelector("#along")!.replaceWith(takeAlong(store, connection));
document
  .querySelector("#app")!
  .replaceChildren(
    toolbar(store, connection),
    ...[isolationNotice()].filter((banner) => banner !== undefined),
    notice,
    h(
      "div",
      { class: "columns" },
      settingsPanel(store),
      h(
        "div",
        { class: "content" },
        h("div", { class: "runs" }, runCard(store, connection, "a"), runCard(store, connection, "b")),
        curvesPanel(store),
        layerPanel(store, connection),
        h(
          "div",
          { class: "halves" },
          imagesPanel(store),
          h("div", { class: "stack" }, confusionPanel(store), drawPanel(store, connection)),
        ),
      ),
    ),
  );
document.documentElement.dataset.ready = "true";
