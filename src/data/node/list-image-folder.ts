/** Finds the image files of a folder that has one sub-folder a class, or `train` and `val` (or `test`) with one sub-folder a class each. */

import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { describeError, errorCode } from "../../core/node/system-error.ts";

export interface ImageFile {
  /** The path from the folder that was listed, with `/` on every system. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

export interface ClassFolder {
  readonly name: string;
  readonly files: readonly ImageFile[];
}

export interface FolderListing {
  /** Undefined where the folder is not divided into `train` and `val`. */
  readonly test: readonly ClassFolder[] | undefined;
  /** All classes, where the folder is not divided. */
  readonly train: readonly ClassFolder[];
}

const extensions = /\.(png|jpe?g|webp)$/i;
/** The names of the folder with the test images. The first one that is there is used. */
const testNames = ["val", "test"] as const;

/** Names by their code units, which every file system and language orders alike. macOS may hand out accents in another form. */
const normalised = (name: string): string => name.normalize("NFC");
const byName = (a: string, b: string): number => {
  const [x, y] = [normalised(a), normalised(b)];
  return x < y ? -1 : x > y ? 1 : 0;
};

/** Files and folders whose names begin with a dot are hidden. macOS adds `__MACOSX` to archives. */
const isHidden = (name: string): boolean => name.startsWith(".") || name === "__MACOSX";

/**
 * Lists the classes and their images. Classes and files are sorted by name. Hidden files are left out, links are followed, and sub-folders
 * of a class belong to the class.
 * @param onNote is told of files that are left out because their names are not those of images.
 * @throws DataError when the folder cannot be read, or has no classes.
 */
export async function listImageFolder(root: string, onNote: (note: string) => void): Promise<FolderListing> {
  const entries = await readFolder(root);
  const names = entries.folders.map(normalised);
  const others = new LeftOut();
  const loose = new LeftOut();
  const list = (folder: string): Promise<ClassFolder[]> => listClasses(root, folder, { others, loose });
  const testName = testNames.find((name) => names.includes(name));
  let listing: FolderListing;
  if (!names.includes("train")) listing = { train: await list(""), test: undefined };
  else if (testName === undefined)
    throw new DataError(
      `data: ${root} has a folder train, and must have val or test beside it, got neither; ` +
        `add one, or name ${join(root, "train")} to test on a share of it`,
    );
  else {
    listing = { train: await list("train"), test: await list(testName) };
    const ignored = names.filter((name) => name !== "train" && name !== testName);
    if (ignored.length > 0) onNote(`${root}: left out ${ignored.join(", ")}, which stand beside train and ${testName}`);
  }
  if (loose.count > 0) onNote(`${root}: left out ${loose.described("image")} outside of the folders of the classes`);
  if (others.count > 0) onNote(`${root}: left out ${others.described("file")}, not named .png, .jpg, .jpeg or .webp`);
  return listing;
}

/** Files that are left out: their number, and the first one. */
class LeftOut {
  count = 0;
  #first = "";

  add(path: string): void {
    if (this.count++ === 0) this.#first = path;
  }

  /** `3 files (a.txt and others)`. */
  described(what: string): string {
    return this.count === 1 ? `1 ${what} (${this.#first})` : `${this.count} ${what}s (${this.#first} and others)`;
  }
}

interface Rest {
  readonly others: LeftOut;
  readonly loose: LeftOut;
}

async function listClasses(root: string, folder: string, { others, loose }: Rest): Promise<ClassFolder[]> {
  const { folders, files } = await readFolder(join(root, folder));
  const images = files.filter((name) => extensions.test(name));
  if (folders.length === 0)
    throw new DataError(
      `data: ${join(root, folder)} must hold a folder for each class, ` +
        `got ${images.length === 0 ? "none" : `images outside of folders, such as ${images[0]}`}; ` +
        "put the images of each class into a folder with the name of the class",
    );
  for (const name of files) (extensions.test(name) ? loose : others).add(join(folder, name));
  const classes: ClassFolder[] = [];
  for (const name of [...folders].sort(byName)) {
    const found: ImageFile[] = [];
    const path = folder === "" ? name : `${folder}/${name}`;
    await collect(root, path, found, others, []);
    classes.push({ name: normalised(name), files: found });
  }
  return classes;
}

/** Adds the images below `folder`. @param above The real paths of the folders around it: a link to one of them would never end. */
async function collect(root: string, folder: string, found: ImageFile[], others: LeftOut, above: readonly string[]): Promise<void> {
  const real = await realpath(join(root, folder));
  if (above.includes(real)) return;
  const { folders, files } = await readFolder(join(root, folder));
  const images = files.filter((name) => extensions.test(name)).sort(byName);
  for (const name of files) if (!extensions.test(name)) others.add(join(folder, name));
  // A folder of ImageNet has 1,300 files. Their sizes are read side by side, but not those of a million files at once.
  for (let first = 0; first < images.length; first += 64)
    found.push(...(await Promise.all(images.slice(first, first + 64).map((name) => imageFile(root, `${folder}/${name}`)))));
  for (const name of [...folders].sort(byName)) await collect(root, `${folder}/${name}`, found, others, [...above, real]);
}

async function imageFile(root: string, path: string): Promise<ImageFile> {
  try {
    return { path, size: (await stat(join(root, path))).size };
  } catch (error) {
    throw unreadable(join(root, path), error);
  }
}

/** The names in a folder that are not hidden. A link counts as what it leads to. */
async function readFolder(path: string): Promise<{ folders: string[]; files: string[] }> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    const code = errorCode(error);
    if (code === "ENOENT") throw new DataError(`data: ${path} must be a folder of images, got no such folder`, { cause: error });
    if (code === "ENOTDIR")
      throw new DataError(`data: ${path} must be a folder of images, got a file; unpack it if it is an archive`, { cause: error });
    throw unreadable(path, error);
  });
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of entries) {
    if (isHidden(entry.name)) continue;
    const kind = entry.isSymbolicLink() ? await linked(join(path, entry.name)) : entry;
    if (kind.isDirectory()) folders.push(entry.name);
    else if (kind.isFile()) files.push(entry.name);
  }
  return { folders, files };
}

const linked = (path: string) =>
  stat(path).catch((error: unknown) => {
    const code = errorCode(error);
    if (code !== "ENOENT" && code !== "ELOOP") throw unreadable(path, error);
    throw new DataError(`data: the link ${path} must lead to a file or a folder, got ${code}; repair or remove the link`, { cause: error });
  });

const unreadable = (path: string, error: unknown): DataError =>
  new DataError(`data: ${path} must be readable, got ${describeError(error)}; change its permissions`, { cause: error });
