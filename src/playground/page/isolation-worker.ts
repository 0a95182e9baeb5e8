/**
 * A service worker that answers the page's own requests with the headers of cross-origin isolation, for hosts that cannot send them. It
 * stores nothing.
 */

interface FetchEvent extends Event {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

// What this file uses of a service worker's global  TypeScript's library for pages does not have it.
declare function addEventListener(
  type: "install" | "activate",
  listener: (event: Event & { waitUntil(work: Promise<unknown>): void }) => void,
): void;
declare function addEventListener(type: "fetch", listener: (event: FetchEvent) => void): void;
declare function skipWaiting(): Promise<void>;
declare const clients: { claim(): Promise<void> };

const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

async function isolated(request: Request): Promise<Response> {
  const response = await fetch(request);
  // The body of an opaque response cannot be passed on.
  if (response.status === 0) return response;
  const all = new Headers(response.headers);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers: all });
}

addEventListener("install", (event) => event.waitUntil(skipWaiting()));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => event.respondWith(isolated(event.request)));

export {};
