/** What a visitor takes along or brings: a link of the settings, and checkpoints. */

import { formatLink } from "../permalink.ts";
import type { Connection } from "./connection.ts";
import { h, show } from "./dom.ts";
import type { PageState, Store } from "./state.ts";

/** The address of the page with the settings of the runs. */
const linkOf = ({ settings }: PageState): string => `${location.origin}${location.pathname}${formatLink(settings) || "#"}`;

export function takeAlong(store: Store, connection: Connection): HTMLElement {
  const copied = h("span", { class: "soft", role: "status" });
  const copy = h(
    "button",
    {
      type: "button",
      class: "quiet",
      click: () => {
        history.replaceState(null, "", linkOf(store.state));
        const done = navigator.clipboard?.writeText(linkOf(store.state)) ?? Promise.reject();
        done.then(
          () => show(copied, "Copied"),
          () => show(copied, "The link is in the address bar"),
        );
      },
    },
    "Copy link",
  );
  const saves = (["a", "b"] as const).map((run) =>
    h("button", { type: "button", class: "quiet", click: () => connection.send({ kind: "save", run }) }, `Save ${run.toUpperCase()}`),
  );
  const file = h("input", { type: "file", accept: ".safetensors", class: "hidden", "aria-label": "Checkpoint to open", tabindex: -1 });
  file.addEventListener("change", () => void openFile(file, store, connection));
  const open = h("button", { type: "button", class: "quiet", click: () => file.click() }, "Open checkpoint");
  store.listen(({ runs }) => {
    for (const [i, button] of saves.entries()) button.hidden = runs[i === 0 ? "a" : "b"] === undefined;
  });
  return h("div", { class: "buttons along" }, copied, copy, ...saves, open, file);
}

async function openFile(file: HTMLInputElement, store: Store, connection: Connection): Promise<void> {
  const [chosen] = file.files ?? [];
  if (chosen === undefined) return;
  const bytes = new Uint8Array(await chosen.arrayBuffer());
  connection.send({ kind: "open", name: chosen.name, bytes, pictures: store.state.pictures });
  file.value = "";
}
