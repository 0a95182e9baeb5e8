/** Says what a page without cross-origin isolation lacks, and offers to add the headers by a service worker. */

import { h } from "./dom.ts";

/** The service worker of this page. It lies beside the page, so that its scope is the page. */
const script = "isolation-worker.js";

/** A banner for pages that are not isolated; undefined for others. */
export function isolationNotice(): HTMLElement | undefined {
  if (globalThis.crossOriginIsolated) return undefined;
  const canServe = window.isSecureContext && "serviceWorker" in navigator;
  const enable = async (): Promise<void> => {
    await navigator.serviceWorker.register(script);
    await navigator.serviceWorker.ready;
    location.reload();
  };
  const advice = canServe ? "A service worker can add the two headers that threads need; it stays until you clear the site's data." : "";
  return h(
    "div",
    { class: "notice", role: "note" },
    h("p", {}, `This page computes on one thread, because it is served without isolation headers. ${advice}`),
    canServe && h("button", { type: "button", click: () => void enable() }, "Use all cores"),
  );
}
