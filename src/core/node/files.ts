/**
 * Every change of the disk that a run makes: its files, links and folders are created, written, renamed and removed here and nowhere else.
 * So a test can let each change fail, be made in part, or be the last one, by `interceptEffects`, and see what is left of the run. Reading
 * does not pass through here.
 */

import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, rename, rm, rmdir } from "node:fs/promises";
import { dirname } from "node:path";

/** One change of the disk. */
export type FileEffect =
  | { readonly kind: "make folder" | "create" | "sync" | "remove" | "remove folder" | "sync folder"; readonly path: string }
  | { readonly kind: "rename" | "link"; readonly path: string; readonly to: string }
  | { readonly kind: "write"; readonly path: string; readonly content: Uint8Array }
  | { readonly kind: "truncate"; readonly path: string; readonly length: number };

/** Makes the change. A test may give another content for a write. */
export type PerformEffect = (content?: Uint8Array) => Promise<unknown>;

/** Stands between a change and the disk. It makes the change by `perform`, or throws as the operating system does. */
export type EffectInterceptor = (effect: FileEffect, perform: PerformEffect) => Promise<unknown>;

let interceptor: EffectInterceptor = (_, perform) => perform();

/** Puts `intercept` between all changes and the disk, for tests. @returns a function that removes it. */
export function interceptEffects(intercept: EffectInterceptor): () => void {
  const before = interceptor;
  interceptor = intercept;
  return () => {
    interceptor = before;
  };
}

const change = (effect: FileEffect, perform: (content: Uint8Array) => Promise<unknown>): Promise<unknown> =>
  interceptor(effect, (content = effect.kind === "write" ? effect.content : new Uint8Array()) => perform(content));

/** A file opened for writing at its end. */
export class OutputFile {
  readonly path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Creates a file. @throws the error EEXIST when something is there already, a symbolic link included. */
  static create(path: string): Promise<OutputFile> {
    // O_NOFOLLOW is missing on Windows. O_EXCL alone refuses links too; the flag says so to systems whose O_EXCL is weaker.
    return OutputFile.#open(path, constants.O_EXCL | (constants.O_NOFOLLOW ?? 0));
  }

  /** Opens a file that may exist already. */
  static extend(path: string): Promise<OutputFile> {
    return OutputFile.#open(path, 0);
  }

  static async #open(path: string, flags: number): Promise<OutputFile> {
    let handle: FileHandle | undefined;
    try {
      await change({ kind: "create", path }, async () => {
        handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | flags);
      });
    } catch (error) {
      await handle?.close();
      throw error;
    }
    return new OutputFile(path, handle!);
  }

  /** Appends. A write that fails may have appended a part. */
  async write(content: Uint8Array | string): Promise<void> {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await change({ kind: "write", path: this.path, content: bytes }, (some) => this.#handle.writeFile(some));
  }

  async truncate(length: number): Promise<void> {
    await change({ kind: "truncate", path: this.path, length }, () => this.#handle.truncate(length));
  }

  /** Waits until the content is on the disk. */
  async sync(): Promise<void> {
    await change({ kind: "sync", path: this.path }, () => this.#handle.sync());
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Makes a folder and the folders above it, so that they survive a power failure. */
export async function makeFolder(path: string): Promise<void> {
  let first: string | undefined;
  await change({ kind: "make folder", path }, async () => {
    first = await mkdir(path, { recursive: true });
  });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made.length <= first.length) return;
  }
}

/** Renames a file or a folder. A file that has the name `to` is replaced. */
export async function renameFile(path: string, to: string): Promise<void> {
  await change({ kind: "rename", path, to }, () => rename(path, to));
}

/** Gives a file a second name. @throws the error EEXIST when that name is taken. */
export async function linkFile(path: string, to: string): Promise<void> {
  await change({ kind: "link", path, to }, () => link(path, to));
}

/** Removes a file, or a folder with all that is in it. Nothing happens when nothing is there. */
export async function remove(path: string): Promise<void> {
  await change({ kind: "remove", path }, () => rm(path, { recursive: true, force: true }));
}

/** Removes a folder. @throws the error ENOTEMPTY unless it is empty. */
export async function removeEmptyFolder(path: string): Promise<void> {
  await change({ kind: "remove folder", path }, () => rmdir(path));
}

/** Waits until the names in a folder are on the disk. Platforms that cannot flush a folder are left alone. */
export async function syncFolder(path: string): Promise<void> {
  await change({ kind: "sync folder", path }, async () => {
    const folder = await open(path, "r").catch(() => undefined);
    await folder?.sync().catch(() => undefined);
    await folder?.close();
  });
}
