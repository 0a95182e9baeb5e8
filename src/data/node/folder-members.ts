/** Gives the image files of a folder their labels, and divides them into two splits. */

import { createHash } from "node:crypto";
import { DataError } from "../../core/errors.ts";
import { Random } from "../../core/random.ts";
import type { SplitName } from "../dataset.ts";
import { divideClass, inTurns } from "../share.ts";
import { type ClassFolder, type ImageFile, listImageFolder } from "./list-image-folder.ts";

/** An image file and its label. */
export interface Member {
  readonly file: ImageFile;
  readonly label: number;
}

export type Members = Readonly<Record<SplitName, readonly Member[]>>;

export interface MemberOptions {
  /** The classes, in the order of their labels; undefined for the names of the folders. */
  readonly classes: readonly string[] | undefined;
  readonly testShare: number;
  readonly seed: number;
  readonly onNote: (note: string) => void;
}

/** The images of both splits. Those of each split come in turns of the classes, so that the first ones are of all classes. */
export async function listMembers(root: string, options: MemberOptions): Promise<{ classes: readonly string[]; members: Members }> {
  const { testShare, seed, onNote } = options;
  const listing = await listImageFolder(root, onNote);
  const classes = options.classes ?? listing.train.map(({ name }) => name);
  // A folder that is only tested on need not hold every class.
  checkClasses(root, listing.train, classes, options.classes === undefined || testShare < 1, onNote);
  const labelled = (folders: readonly ClassFolder[]): Member[][] =>
    folders.map(({ name, files }) => files.map((file) => ({ file, label: labelOf(root, name, classes) })));
  if (listing.test !== undefined) {
    const untested = classes.filter((name) => !listing.test!.some((folder) => folder.name === name && folder.files.length > 0));
    if (untested.length > 0) onNote(`${root}: no test images of ${listed(untested)}`);
    return { classes, members: { train: inTurns(labelled(listing.train)), test: inTurns(labelled(listing.test)) } };
  }
  const stream = new Random(seed);
  const divided = labelled(listing.train).map((list, k) => {
    const { train, test } = divideClass(list.length, testShare, stream.fork(k));
    return { train: train.map((i) => list[i]!), test: test.map((i) => list[i]!) };
  });
  return { classes, members: { train: inTurns(divided.map(({ train }) => train)), test: inTurns(divided.map(({ test }) => test)) } };
}

const listed = (names: readonly string[]): string =>
  names.length <= 5 ? names.join(", ") : `${names.slice(0, 5).join(", ")} and ${names.length - 5} others`;

function labelOf(root: string, name: string, classes: readonly string[]): number {
  const label = classes.indexOf(name);
  if (label !== -1) return label;
  throw new DataError(
    `data: every class folder in ${root} must be one of ${classes.length} classes (${listed(classes)}), got ${name}; rename or remove it`,
  );
}

function checkClasses(
  root: string,
  folders: readonly ClassFolder[],
  classes: readonly string[],
  complete: boolean,
  onNote: (note: string) => void,
): void {
  if (new Set(classes).size < classes.length) throw new DataError(`data: the classes must have different names, got ${listed(classes)}`);
  if (classes.length < 2)
    throw new DataError(`data: ${root} must hold at least two classes, got one, ${classes[0]}; add a folder of images of another class`);
  const empty = folders.filter(({ files }) => files.length === 0).map(({ name }) => name);
  if (empty.length > 0)
    throw new DataError(
      `data: every class folder in ${root} must hold PNG, JPEG or WebP files, got none in ${listed(empty)}; ` +
        "add images, or remove the folder",
    );
  const missing = classes.filter((name) => !folders.some((folder) => folder.name === name));
  if (missing.length > 0 && complete)
    throw new DataError(`data: ${root} must hold a folder for each of the classes, got none for ${listed(missing)}; add it`);
  const counts = [...folders].sort((a, b) => a.files.length - b.files.length);
  const [least, most] = [counts[0]!, counts.at(-1)!];
  if (most.files.length >= 5 * least.files.length)
    onNote(
      `${root}: the classes have unequal numbers of images, ` +
        `from ${least.files.length} of ${least.name} to ${most.files.length} of ${most.name}; ` +
        "the network will prefer the larger ones",
    );
}

/** SHA-256 of the splits, labels, paths and sizes of all files. */
export function fingerprintOf(members: Members): string {
  const hash = createHash("sha256");
  for (const split of ["train", "test"] as const)
    for (const { file, label } of members[split]) hash.update(`${split}\t${label}\t${file.path.normalize("NFC")}\t${file.size}\n`);
  return hash.digest("hex");
}
