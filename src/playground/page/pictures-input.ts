/** The visitor's own pictures: a folder for each class, chosen or dropped. Nothing leaves the browser. */

import { DataError } from "../../core/errors.ts";
import type { Pictures } from "../messages.ts";
import { h, show } from "./dom.ts";
import { plural } from "./format.ts";
import { imageBytes } from "./image-bytes.ts";
import type { Store } from "./state.ts";

/** A picture, and the folder that it lies in. */
interface Labelled {
  readonly file: File;
  readonly folder: string;
}

/** The most pictures that are read, so that a wrong folder does not stop the page for minutes. */
const mostPictures = 20_000;
/** The most classes: a label is one byte. */
const mostClasses = 256;

const isPicture = ({ name }: { readonly name: string }): boolean => /\.(png|jpe?g|webp|gif|bmp|avif)$/i.test(name);

/** The files of a chosen folder. The class of a file is the folder around it. */
const chosenFiles = (files: FileList): Labelled[] =>
  [...files].filter(isPicture).map((file) => ({ file, folder: file.webkitRelativePath.split("/").at(-2) ?? "" }));

/** The files of a dropped folder, with all folders inside. */
async function droppedFiles(entry: FileSystemEntry, folder: string): Promise<Labelled[]> {
  if (entry.isFile) {
    if (!isPicture(entry)) return [];
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, folder }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Labelled[] = [];
  // A reader gives the entries of a folder in parts. The last part is empty.
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) return found;
    for (const inner of part) found.push(...(await droppedFiles(inner, entry.name)));
  }
}

/** @throws DataError for fewer than two classes. */
async function readPictures(labelled: readonly Labelled[], onProgress: (done: number) => void): Promise<Pictures> {
  const classes = [...new Set(labelled.map(({ folder }) => folder))].sort();
  if (classes.length < 2 || classes.length > mostClasses)
    throw new DataError(`pictures: must lie in 2 to ${mostClasses} folders, one for each class, got ${classes.length}`);
  if (labelled.length > mostPictures) throw new DataError(`pictures: must be at most ${mostPictures}, got ${labelled.length}`);
  const read: { readonly image: Uint8Array; readonly label: number }[] = [];
  for (const [i, { file, folder }] of labelled.entries()) {
    const image = await imageBytes(file).catch(() => undefined);
    if (image !== undefined) read.push({ image, label: classes.indexOf(folder) });
    if (i % 20 === 0) onProgress(i);
  }
  const images = new Uint8Array(read.length * 3072);
  for (const [i, { image }] of read.entries()) images.set(image, i * 3072);
  return { classes, images, labels: Uint8Array.from(read, ({ label }) => label) };
}

export function picturesInput(store: Store): HTMLElement {
  const status = h("p", { class: "soft", role: "status" }, "A folder with a folder of pictures for each class. They stay in this browser.");
  const take = async (labelled: readonly Labelled[]): Promise<void> => {
    try {
      const pictures = await readPictures(labelled, (done) => show(status, `${done} of ${labelled.length} read`));
      show(
        status,
        `${plural(pictures.labels.length, "picture")} of ${plural(pictures.classes.length, "class", "classes")}: ${pictures.classes.slice(0, 6).join(", ")}`,
      );
      store.update((state) => ({ ...state, pictures, settings: { ...state.settings, data: "pictures" } }));
    } catch (error) {
      store.fail(error);
    }
  };
  const input = h("input", {
    type: "file",
    webkitdirectory: true,
    multiple: true,
    class: "hidden",
    "aria-label": "Folder of pictures",
    tabindex: -1,
  });
  input.addEventListener("change", () => void take(chosenFiles(input.files!)));
  const zone = h(
    "div",
    {
      class: "dropzone",
      dragover: (event) => event.preventDefault(),
      drop: (event) => {
        event.preventDefault();
        const items = [...((event as DragEvent).dataTransfer?.items ?? [])];
        const entries = items.map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
        void Promise.all(entries.map((entry) => droppedFiles(entry, entry.name))).then((files) => take(files.flat()));
      },
    },
    h("button", { type: "button", click: () => input.click() }, "Choose a folder"),
    h("span", { class: "soft" }, "or drop it here"),
    input,
  );
  return h("div", { class: "pictures" }, zone, status);
}
