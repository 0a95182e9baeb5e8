import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../../src/core/errors.ts";
import { channelStatistics, type ImageDataset, isStreamed, type StreamedDataset } from "../../../src/data/dataset.ts";
import { decodeImage } from "../../../src/data/node/decode-image.ts";
import { type FolderDataset, type ImageFolderOptions, imageFolder } from "../../../src/data/node/image-folder.ts";
import { classesOf, picture, writeFolder } from "./picture-folder.ts";
import { temporaryFolder } from "./small-cifar.ts";

/** Reads a folder, and collects its notes. */
async function read(root: string, options: ImageFolderOptions = {}): Promise<{ dataset: FolderDataset; notes: string[] }> {
  const notes: string[] = [];
  const dataset = await imageFolder(root, { size: 8, onNote: (note) => void notes.push(note), ...options });
  return { dataset, notes };
}

const inMemory = (dataset: FolderDataset): ImageDataset => {
  if (isStreamed(dataset)) throw new Error("streamed");
  return dataset;
};

const streamed = async (root: string, options: ImageFolderOptions = {}): Promise<StreamedDataset> => {
  const { dataset } = await read(root, { storage: "stream", ...options });
  if (!isStreamed(dataset)) throw new Error("in memory");
  return dataset;
};

/** The split and the class of every file of a streamed set, by its path from the root. */
function placesOf(root: string, dataset: StreamedDataset): Record<string, string> {
  const places: Record<string, string> = {};
  for (const split of ["train", "test"] as const)
    for (const [n, path] of dataset[split].paths.entries())
      places[path.slice(root.length + 1)] = `${split} ${dataset.classes[dataset[split].labels[n]!]}`;
  return places;
}

describe("a folder with a sub-folder for each class", () => {
  it("gives every image to one split, under the name of its folder", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, classesOf(["dog", "cat", "Zebra"], 5));
    const dataset = await streamed(root, { testShare: 0.4 });
    expect(dataset.classes).toEqual(["Zebra", "cat", "dog"]);
    const places = placesOf(root, dataset);
    expect(Object.keys(places)).toHaveLength(15);
    for (const name of dataset.classes)
      expect(Object.entries(places).filter(([path, place]) => path.startsWith(`${name}/`) && place === `test ${name}`)).toHaveLength(2);
  });

  it("holds the pixels that decodeImage gives, whose statistics it has", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, classesOf(["a", "b"], 4));
    const [memory, paths] = [inMemory((await read(root)).dataset), await streamed(root)];
    for (const split of ["train", "test"] as const) {
      expect(memory[split].labels).toEqual(paths[split].labels);
      for (const [n, path] of paths[split].paths.entries())
        expect(memory[split].images.subarray(n * 192, (n + 1) * 192)).toEqual(await decodeImage(path, 8));
    }
    expect({ mean: memory.mean, std: memory.std }).toEqual(channelStatistics(memory.train, 3));
    // The statistics of a streamed set with few images are those of all of them.
    expect({ mean: paths.mean, std: paths.std }).toEqual({ mean: memory.mean, std: memory.std });
  });

  it("takes mean and std that are given", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, classesOf(["a", "b"], 2));
    const given = { mean: [0.1, 0.2, 0.3], std: [1, 2, 3] };
    expect((await read(root, given)).dataset).toMatchObject(given);
  });

  it("is divided alike wherever it lies, and differently with another seed", async () => {
    const [one, two] = [await temporaryFolder(), await temporaryFolder()];
    const files = classesOf(["a", "b"], 12);
    await writeFolder(one, files);
    // The files are written in another order, which some file systems list them in.
    await writeFolder(two, Object.fromEntries(Object.entries(files).reverse()));
    const first = await streamed(one);
    expect(placesOf(two, await streamed(two))).toEqual(placesOf(one, first));
    expect(placesOf(one, await streamed(one, { seed: 1 }))).not.toEqual(placesOf(one, first));
  });

  it("puts its images in turns of the classes, so that the first ones are of all classes", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, classesOf(["a", "b", "c"], 5));
    const dataset = await streamed(root, { limits: { train: 6, test: 2 } });
    expect([...dataset.train.labels]).toEqual([0, 1, 2, 0, 1, 2]);
    expect([...dataset.test.labels]).toEqual([0, 1]);
  });

  it("has PNG, JPEG and WebP files of any capitals, in sub-folders too", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, {
      "a/1.png": 1,
      "a/2.JPG": await picture(2, 9, 9, "jpeg"),
      "a/deep/er/3.webp": 3,
      "b/4.jpeg": 4,
      "b/5.Png": 5,
    });
    const dataset = await streamed(root, { testShare: 0 });
    expect(Object.keys(placesOf(root, dataset)).sort()).toEqual(["a/1.png", "a/2.JPG", "a/deep/er/3.webp", "b/4.jpeg", "b/5.Png"]);
  });

  it("has more than 256 classes", async () => {
    const root = await temporaryFolder();
    const bytes = await picture(0);
    const names = Array.from({ length: 300 }, (_, k) => `c${String(k).padStart(3, "0")}`);
    await writeFolder(root, Object.fromEntries(names.map((name) => [`${name}/x.png`, bytes])));
    const { dataset } = await read(root, { testShare: 0, size: 2 });
    expect([...dataset.train.labels]).toEqual(names.map((_, k) => k));
  });
});

describe("a folder with train and val", () => {
  it("is divided by them", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, { ...classesOf(["a", "b"], 3, "train/"), ...classesOf(["a", "b"], 2, "val/", 50) });
    const { dataset, notes } = await read(root);
    expect([dataset.train.count, dataset.test.count]).toEqual([6, 4]);
    expect(notes).toEqual([]);
  });

  it("may call the second one test, and prefers val where both are there", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, { ...classesOf(["a", "b"], 3, "train/"), ...classesOf(["a", "b"], 2, "test/", 50) });
    expect((await read(root)).dataset.test.count).toBe(4);
    await writeFolder(root, classesOf(["a", "b"], 1, "val/", 70));
    const { dataset, notes } = await read(root);
    expect(dataset.test.count).toBe(2);
    expect(notes).toEqual([`${root}: left out test, which stand beside train and val`]);
  });

  it("says which class has no test images, and refuses a class that is not trained on", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, { ...classesOf(["a", "b"], 3, "train/"), ...classesOf(["a"], 2, "val/", 50) });
    expect((await read(root)).notes).toEqual([`${root}: no test images of b`]);
    await writeFolder(root, { "val/c/1.png": 1 });
    await expect(read(root)).rejects.toThrow(/must be one of 2 classes \(a, b\), got c; rename or remove it/);
  });

  it("needs both", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, classesOf(["a", "b"], 3, "train/"));
    await expect(read(root)).rejects.toThrow(
      /has a folder train, and must have val or test beside it, got neither; add one, or name .*train/,
    );
  });
});

describe("the classes that are given", () => {
  it("decide the labels, and may lack images where all are tested on", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, classesOf(["a", "c"], 2));
    const given = { classes: ["c", "b", "a"], testShare: 1, mean: [0, 0, 0], std: [1, 1, 1] };
    const { dataset } = await read(root, given);
    expect(dataset.classes).toEqual(["c", "b", "a"]);
    expect([...dataset.test.labels]).toEqual([2, 0, 2, 0]);
    expect(dataset.train.count).toBe(0);
    await expect(read(root, { ...given, testShare: 0.5 })).rejects.toThrow(/a folder for each of the classes, got none for b; add it/);
    await expect(read(root, { ...given, classes: ["a", "b"] })).rejects.toThrow(/must be one of 2 classes \(a, b\), got c/);
    await expect(read(root, { testShare: 1 })).rejects.toThrow(/needs mean and std/);
  });
});

describe("files and folders beside the images", () => {
  it("are left out: hidden ones in silence, others with a note", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, {
      ...classesOf(["a", "b"], 3),
      ".DS_Store": "x",
      "a/.DS_Store": "x",
      "a/._0.png": "x",
      ".git/config.png": "x",
      "__MACOSX/a/0.png": "x",
    });
    expect((await read(root)).notes).toEqual([]);
    await writeFolder(root, { "readme.txt": "x", "b/Thumbs.db": "x", "cover.png": 7 });
    const { dataset, notes } = await read(root);
    expect(dataset.train.count + dataset.test.count).toBe(6);
    expect(notes).toEqual([
      `${root}: left out 1 image (cover.png) outside of the folders of the classes`,
      `${root}: left out 2 files (readme.txt and others), not named .png, .jpg, .jpeg or .webp`,
    ]);
  });

  it("may be links, which are followed, but not around in circles", async () => {
    const [root, elsewhere] = [await temporaryFolder(), await temporaryFolder()];
    await writeFolder(elsewhere, { "cats/1.png": 1, "2.png": 2 });
    await writeFolder(root, { "dog/3.png": 3 });
    await symlink(join(elsewhere, "cats"), join(root, "cat"));
    await symlink(join(elsewhere, "2.png"), join(root, "dog", "2.png"));
    await symlink(join(root, "dog"), join(root, "dog", "again"));
    expect(placesOf(root, await streamed(root, { testShare: 0 }))).toEqual({
      "cat/1.png": "train cat",
      "dog/2.png": "train dog",
      "dog/3.png": "train dog",
    });
    await symlink(join(elsewhere, "gone.png"), join(root, "dog", "gone.png"));
    await expect(read(root)).rejects.toThrow(/the link .*gone.png must lead to a file or a folder, got ENOENT; repair or remove the link/);
    await rm(join(root, "dog", "gone.png"));
    await symlink("round.png", join(root, "dog", "round.png"));
    await expect(read(root)).rejects.toThrow(/the link .*round.png must lead to a file or a folder, got ELOOP/);
  });
});

describe("a folder that cannot be used", () => {
  it("is refused with what to do", async () => {
    const root = await temporaryFolder();
    const refused = async (message: RegExp): Promise<void> => {
      await expect(read(root)).rejects.toThrow(message);
      await expect(read(root)).rejects.toBeInstanceOf(DataError);
    };
    await refused(/must hold a folder for each class, got none; put the images of each class into a folder/);
    await writeFolder(root, { "1.png": 1 });
    await refused(/got images outside of folders, such as 1.png; put the images/);
    await writeFolder(root, classesOf(["a"], 2));
    await refused(/must hold at least two classes, got one, a; add a folder/);
    await mkdir(join(root, "b"));
    await mkdir(join(root, "c"));
    await refused(/every class folder in .* must hold PNG, JPEG or WebP files, got none in b, c; add images, or remove the folder/);
    await expect(read(join(root, "nowhere"))).rejects.toThrow(/nowhere must be a folder of images, got no such folder/);
    await expect(read(join(root, "1.png"))).rejects.toThrow(/1.png must be a folder of images, got a file; unpack it if it is an archive/);
  });

  it("names every image that cannot be decoded, up to five", async () => {
    const root = await temporaryFolder();
    const whole = await picture(1, 12, 10, "jpeg");
    await writeFolder(root, { ...classesOf(["a", "b"], 3), "a/bad.png": "no image", "b/cut.jpg": whole.subarray(0, whole.length >> 1) });
    await expect(read(root)).rejects.toThrow(
      /got 2 of 8 that are not: .*(bad.png.*cut.jpg|cut.jpg.*bad.png).*\. Repair or remove them, or .*$/s,
    );
    for (let i = 0; i < 6; i++) await writeFile(join(root, "a", `e${i}.png`), "");
    await expect(read(root)).rejects.toThrow(/got 8 of 14 that are not: .*; and 3 more\. Repair/s);
  });

  it.each([
    [{ size: 0 }, /size must be an integer ≥ 1, got 0/],
    [{ size: 8, resize: 7 }, /resize must be at least size, got resize 7 and size 8/],
    [{ testShare: -0.1 }, /testShare must be a number in \[0, 1\], got -0.1/],
    [{ limits: { train: 0 } }, /limits.train must be an integer ≥ 1, got 0/],
  ])("refuses the options %j", async (options, message) => {
    const root = await temporaryFolder();
    await writeFolder(root, classesOf(["a", "b"], 2));
    await expect(read(root, options)).rejects.toThrow(message);
    await expect(read(root, options)).rejects.toBeInstanceOf(ConfigError);
  });
});

it("notes classes with very unequal numbers of images", async () => {
  const root = await temporaryFolder();
  await writeFolder(root, { ...classesOf(["a"], 5), "b/1.png": 1 });
  expect((await read(root)).notes).toEqual([
    `${root}: the classes have unequal numbers of images, from 1 of b to 5 of a; the network will prefer the larger ones`,
  ]);
});

describe("storage", () => {
  it("is memory up to 512 MiB of decoded images, and else the disk", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, classesOf(["a", "b"], 2));
    // 4 images of 3 · 6688² bytes are 512 MiB and a bit less; of 3 · 6690² bytes, a bit more. Only the second case decodes nothing.
    expect(3 * 4 * 6688 ** 2).toBeLessThan(512 * 2 ** 20);
    expect(3 * 4 * 6690 ** 2).toBeGreaterThan(512 * 2 ** 20);
    const given = { mean: [0, 0, 0], std: [1, 1, 1] };
    expect(isStreamed((await read(root, { ...given, size: 6690 })).dataset)).toBe(true);
    expect(isStreamed((await read(root, { ...given, size: 64 })).dataset)).toBe(false);
  });
});

describe("the fingerprint", () => {
  it("changes with the files, their sizes and their classes, and not with the place", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, classesOf(["a", "b"], 3));
    const of = async (folder = root): Promise<string> => (await read(folder)).dataset.fingerprint;
    const first = await of();
    const copy = await temporaryFolder();
    for (const name of ["a", "b"]) {
      await mkdir(join(copy, name));
      for (const file of await readdir(join(root, name))) await writeFile(join(copy, name, file), await readFile(join(root, name, file)));
    }
    expect(await of(copy)).toBe(first);
    await rename(join(copy, "a", "0.png"), join(copy, "a", "9.png"));
    expect(await of(copy)).not.toBe(first);
    await rename(join(copy, "a", "9.png"), join(copy, "a", "0.png"));
    expect(await of(copy)).toBe(first);
    await writeFile(join(copy, "a", "0.png"), await picture(5, 40, 40));
    expect(await of(copy)).not.toBe(first);
    await rm(join(copy, "a", "0.png"));
    expect(await of(copy)).not.toBe(first);
  });
});

describe("onBadImage", () => {
  const damaged = { "a/x.png": "no image", "b/y.png": Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a) };

  it.each(["memory", "stream"] as const)(
    "skip (%s) gives the set of a folder without these images, and notes which they are",
    async (storage) => {
      const [clean, spoilt] = [await temporaryFolder(), await temporaryFolder()];
      // A divided folder, since the share of an undivided one is drawn before anything is decoded.
      const sound = { ...classesOf(["a", "b"], 4, "train/"), ...classesOf(["a", "b"], 2, "val/", 50) };
      await writeFolder(clean, sound);
      const bad = Object.fromEntries(
        ["train", "val"].flatMap((split) => Object.entries(damaged).map(([path, bytes]) => [`${split}/${path}`, bytes])),
      );
      await writeFolder(spoilt, { ...sound, ...bad });
      const expected = (await read(clean, { storage })).dataset;
      const { dataset, notes } = await read(spoilt, { storage, onBadImage: "skip" });
      const relative = (root: string, set: FolderDataset) => {
        const text = JSON.stringify(set, (_, value) => (ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : value));
        return { ...JSON.parse(text.replaceAll(root, "")), name: "" };
      };
      expect(relative(spoilt, dataset)).toEqual(relative(clean, expected));
      expect(notes).toHaveLength(1);
      expect(notes[0]).toMatch(
        /left out 4 of 16 images, which cannot be decoded: .*train\/a\/x\.png.*train\/b\/y\.png.*val\/a\/x\.png.*val\/b\/y\.png/,
      );
    },
  );

  it("error is the default, and its message says what to do; another word is refused", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, { ...classesOf(["a", "b"], 3), ...damaged });
    await expect(read(root)).rejects.toThrow(
      /got 2 of 8 that are not: .*x\.png.*y\.png.*\. Repair or remove them, or leave them out by --on-bad-image skip; in a program, .*"skip"/,
    );
    await expect(read(root, { onBadImage: "ignore" as "skip" })).rejects.toThrow("onBadImage must be error or skip, got ignore");
  });

  it("skip refuses a folder in which no image of a class is left", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, { ...classesOf(["a"], 3), "b/1.png": "no image", "b/2.png": "no image" });
    await expect(read(root, { onBadImage: "skip" })).rejects.toThrow(/must hold an image of b to train on that can be decoded, got none/);
  });
});
