/** Image files against the pixels of which they were made. The expected pixels never come from the library that decodes. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "@node-rs/crc32";
import fc from "fast-check";
import { encode } from "fast-png";
import sharp, { type Sharp } from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../../src/core/random.ts";
import { decodeImage, type ImageView } from "../../../src/data/node/decode-image.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-image-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Pixel = (x: number, y: number) => readonly number[];

const raster = (width: number, height: number, channels: number, pixel: Pixel): number[] =>
  Array.from({ length: width * height }, (_, p) => pixel(p % width, Math.floor(p / width)).slice(0, channels)).flat();

async function decoded(bytes: Uint8Array, size: number): Promise<Uint8Array> {
  const path = join(folder, "image");
  await writeFile(path, bytes);
  return decodeImage(path, size);
}

const png = (width: number, height: number, channels: 1 | 2 | 3 | 4, pixel: Pixel, depth: 8 | 16 = 8): Uint8Array => {
  const values = raster(width, height, channels, pixel);
  return encode({ width, height, channels, depth, data: depth === 8 ? Uint8Array.from(values) : Uint16Array.from(values) });
};

const jpeg = (width: number, height: number, pixel: Pixel): Sharp =>
  sharp(Uint8Array.from(raster(width, height, 3, pixel)), { raw: { width, height, channels: 3 } }).jpeg({
    quality: 100,
    chromaSubsampling: "4:4:4",
  });

/** [3,size,size] of a function of the pixel. */
const planes = (size: number, pixel: Pixel): number[] =>
  [0, 1, 2].flatMap((c) => Array.from({ length: size * size }, (_, p) => pixel(p % size, Math.floor(p / size))[c]!));

function expectNear(
  got: Uint8Array,
  expected: readonly number[],
  tolerance: number,
  where: (x: number, y: number) => boolean = () => true,
): void {
  expect(got).toHaveLength(expected.length);
  const size = Math.sqrt(got.length / 3);
  for (const [i, value] of expected.entries()) {
    const [x, y] = [i % size, Math.floor(i / size) % size];
    if (where(x, y) && Math.abs(got[i]! - value) > tolerance)
      expect.fail(`(${x}, ${y}), channel ${Math.floor(i / size ** 2)}: got ${got[i]}, expected ${value}`);
  }
}

const noise = (seed: number): Pixel => {
  const random = new Random(seed);
  const values = Array.from({ length: 4096 }, () => random.integer(256));
  return (x, y) => [0, 1, 2, 3].map((c) => values[(c * 1024 + y * 32 + x) % 4096]!);
};

const seeds = fc.nat(2 ** 20);

describe("an image of the requested size keeps every byte", () => {
  test("RGB", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.constantFrom(1, 7, 32), async (seed, size) => {
        const pixel = noise(seed);
        expect([...(await decoded(png(size, size, 3, pixel), size))]).toEqual(planes(size, pixel));
      }),
      { numRuns: 20 },
    ));

  test("grey is the same in all three channels", () =>
    fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const pixel = noise(seed);
        const grey: Pixel = (x, y) => [pixel(x, y)[0]!, pixel(x, y)[0]!, pixel(x, y)[0]!];
        expect([...(await decoded(png(32, 32, 1, pixel), 32))]).toEqual(planes(32, grey));
      }),
      { numRuns: 10 },
    ));

  test("a palette gives its colours", async () => {
    const colours = [
      [255, 0, 0],
      [0, 128, 255],
      [17, 18, 19],
    ];
    const pixel: Pixel = (x, y) => colours[(x + 3 * y) % 3]!;
    const bytes = await sharp(Uint8Array.from(raster(32, 32, 3, pixel)), { raw: { width: 32, height: 32, channels: 3 } })
      .png({ palette: true, colours: 4, dither: 0 })
      .toBuffer();
    expect(bytes[25], "colour type: palette").toBe(3);
    expectNear(await decoded(bytes, 32), planes(32, pixel), 1);
  });

  test("16 bits keep the upper eight", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.constantFrom<1 | 3>(1, 3), async (seed, channels) => {
        const random = new Random(seed);
        const values = Array.from({ length: 3 * 64 }, () => random.integer(65536));
        const pixel: Pixel = (x, y) => [0, 1, 2].map((c) => values[c * 64 + y * 8 + x]!);
        const eight: Pixel = (x, y) => [0, 1, 2].map((c) => pixel(x, y)[channels === 1 ? 0 : c]! / 257);
        expectNear(await decoded(png(8, 8, channels, pixel, 16), 8), planes(8, eight), 1);
      }),
      { numRuns: 10 },
    ));
});

test("transparent pixels lie on white: c·a + 255·(1 − a)", () =>
  fc.assert(
    fc.asyncProperty(seeds, fc.constantFrom<2 | 4>(2, 4), async (seed, channels) => {
      const pixel = noise(seed);
      const onWhite: Pixel = (x, y) => {
        const values = pixel(x, y);
        const alpha = values[channels - 1]! / 255;
        return [0, 1, 2].map((c) => values[channels === 2 ? 0 : c]! * alpha + 255 * (1 - alpha));
      };
      expectNear(await decoded(png(32, 32, channels, pixel), 32), planes(32, onWhite), 1);
    }),
    { numRuns: 10 },
  ));

const quadrants = [
  [220, 30, 30],
  [30, 200, 40],
  [40, 50, 210],
  [230, 220, 60],
];
const quartered =
  (half: number): Pixel =>
  (x, y) =>
    quadrants[(y < half ? 0 : 2) + (x < half ? 0 : 1)]!;

/** The position in the stored image of a pixel of the upright image (EXIF 2.32, tag 274). `m` is the last row and column. */
const stored: Readonly<Record<number, (x: number, y: number, m: number) => readonly [number, number]>> = {
  1: (x, y) => [x, y],
  2: (x, y, m) => [m - x, y],
  3: (x, y, m) => [m - x, m - y],
  4: (x, y, m) => [x, m - y],
  5: (x, y) => [y, x],
  6: (x, y, m) => [y, m - x],
  7: (x, y, m) => [m - y, m - x],
  8: (x, y, m) => [m - y, x],
};

test.each([1, 2, 3, 4, 5, 6, 7, 8])("EXIF orientation %i is undone", async (orientation) => {
  const pixel = quartered(16);
  const upright: Pixel = (x, y) => pixel(...(stored[orientation]!(x, y, 31) as [number, number]));
  const bytes = await jpeg(32, 32, pixel).withMetadata({ orientation }).toBuffer();
  expectNear(await decoded(bytes, 32), planes(32, upright), 4);
});

test("a JPEG in CMYK is converted to RGB", async () => {
  const pixel = quartered(16);
  const bytes = await jpeg(32, 32, pixel).toColourspace("cmyk").toBuffer();
  expect((await sharp(bytes).metadata()).space).toBe("cmyk");
  const got = await decoded(bytes, 32);
  // Printing inks have fewer colours, so the test compares the strongest channel only.
  for (const [k, [x, y]] of (
    [
      [8, 8],
      [24, 8],
      [8, 24],
    ] as const
  ).entries()) {
    const values = [0, 1, 2].map((c) => got[c * 1024 + y * 32 + x]!);
    expect(values.indexOf(Math.max(...values)), `quadrant ${k}: ${values}`).toBe(k);
  }
});

describe("other sizes", () => {
  test("one colour stays one colour, from any size to any", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 80 }),
        fc.integer({ min: 1, max: 80 }),
        fc.integer({ min: 1, max: 40 }),
        fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)),
        async (width, height, size, colour) =>
          expectNear(
            await decoded(
              png(width, height, 3, () => colour),
              size,
            ),
            planes(size, () => colour),
            1,
          ),
      ),
      { numRuns: 30 },
    ));

  test("the middle of the longer side is kept, without distortion", () =>
    fc.assert(
      fc.asyncProperty(fc.constantFrom(16, 32, 48, 96), fc.integer({ min: 1, max: 3 }), fc.boolean(), async (side, extra, tall) => {
        const [length, flank] = [side * (2 * extra + 1), side * extra];
        const inside = quartered(side / 2);
        const along: Pixel = (x, y) => (x < flank || x >= flank + side ? [0, 0, 0] : inside(x - flank, y));
        const across: Pixel = (x, y) => (y < flank || y >= flank + side ? [0, 0, 0] : inside(x, y - flank));
        const bytes = tall ? png(side, length, 3, across) : png(length, side, 3, along);
        // Interpolation mixes colours within three pixels of an edge, more where the image is enlarged.
        const clear = (v: number): boolean => [0, 16, 31].every((edge) => Math.abs(v - edge) > 5);
        expectNear(await decoded(bytes, 32), planes(32, quartered(16)), 12, (x, y) => clear(x) && clear(y));
      }),
      { numRuns: 12 },
    ));

  test("in an even gradient, each pixel is the mean of the pixels that it replaces", async () => {
    const ramp: Pixel = (x, y) => [x, y, 255 - x];
    const means: Pixel = (x, y) => [8 * x + 3.5, 8 * y + 3.5, 255 - 8 * x - 3.5];
    const inner = (v: number): boolean => v > 3 && v < 28;
    expectNear(await decoded(png(256, 256, 3, ramp), 32), planes(32, means), 1, (x, y) => inner(x) && inner(y));
  });
});

test("a WebP file without loss keeps every byte", async () => {
  const pixel = noise(3);
  const bytes = await sharp(Uint8Array.from(raster(32, 32, 3, pixel)), { raw: { width: 32, height: 32, channels: 3 } })
    .webp({ lossless: true })
    .toBuffer();
  expect([...(await decoded(bytes, 32))]).toEqual(planes(32, pixel));
});

describe("a view", () => {
  const view = async (bytes: Uint8Array, wanted: ImageView): Promise<Uint8Array> => {
    const path = join(folder, "view");
    await writeFile(path, bytes);
    return decodeImage(path, wanted);
  };

  test("cuts the middle out of an image whose shorter side has the length of resize", async () => {
    const pixel = noise(4);
    // 40×36 pixels with resize 36 are not scaled. The middle 32×32 begins at ((40 − 32)/2, (36 − 32)/2).
    const got = await view(png(40, 36, 3, pixel), { size: 32, resize: 36 });
    expect([...got]).toEqual(planes(32, (x, y) => pixel(x + 4, y + 2)));
  });

  test("keeps every byte of a region that has the size", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.nat(20), fc.nat(10), async (seed, left, top) => {
        const pixel = noise(seed);
        const region = (width: number, height: number) => {
          expect([width, height]).toEqual([28, 18]);
          return { left, top, width: 8, height: 8 };
        };
        expect([...(await view(png(28, 18, 3, pixel), { size: 8, region }))]).toEqual(planes(8, (x, y) => pixel(left + x, top + y)));
      }),
      { numRuns: 10 },
    ));

  test("chooses a region of the upright image, whose sides EXIF exchanges", async () => {
    // Orientation 6 turns the stored image clockwise: the upright pixel (x, y) is the stored pixel (y, height − 1 − x).
    const pixel: Pixel = (x, y) => [4 * x, 8 * y, 0];
    const bytes = await jpeg(60, 30, pixel).withMetadata({ orientation: 6 }).toBuffer();
    const region = (width: number, height: number) => {
      expect([width, height]).toEqual([30, 60]);
      return { left: 10, top: 20, width: 16, height: 16 };
    };
    // JPEG is exact to a few levels on a ramp.
    expectNear(
      await view(bytes, { size: 16, region }),
      planes(16, (x, y) => pixel(y + 20, 29 - (x + 10))),
      6,
    );
  });

  test("scales bilinearly, over all pixels that a result covers", async () => {
    // A triangle filter leaves a ramp a ramp: the result at x is the ramp at the middle of the pixels 2x and 2x + 1.
    const ramp: Pixel = (x, y) => [4 * x, 4 * y, 100];
    const got = await view(png(64, 60, 3, ramp), { size: 24, resize: 30 });
    // 64×60 become 32×30 pixels, of which 24×24 in the middle begin at (4, 3).
    expectNear(
      got,
      planes(24, (x, y) => [4 * (2 * (x + 4) + 0.5), 4 * (2 * (y + 3) + 0.5), 100]),
      1,
    );
  });

  test("has a resize that is at least its size", async () => {
    await expect(decodeImage("any.png", { size: 8, resize: 7 })).rejects.toThrow(/resize must be at least size, got resize 7 and size 8/);
  });
});

describe("files that are no images", () => {
  const refused = async (bytes: Uint8Array, message: RegExp): Promise<void> => {
    await expect(decoded(bytes, 32)).rejects.toThrow(message);
    await expect(decoded(bytes, 32)).rejects.toMatchObject({ name: "DataError" });
  };

  test("are refused, and the error names the file and none of its bytes", async () => {
    await refused(new Uint8Array(), /^image: .*image must be a PNG, a JPEG or a WebP image, got an empty file/);
    await refused(
      new TextEncoder().encode("<svg/>"),
      /^image: .*image must be a PNG, a JPEG or a WebP image, got an SVG image; convert it to PNG$/,
    );
    await refused(
      Uint8Array.of(1, 2, 3, 4, 5),
      /^image: .*image must be a PNG, a JPEG or a WebP image, got a file of another format; convert it first$/,
    );
    await expect(decodeImage(join(folder, "absent.png"), 32)).rejects.toThrow(/^image: .*absent\.png must be readable, got ENOENT/);
    await expect(decodeImage(folder, 32)).rejects.toThrow(/^image: .* must be readable, got a folder; name an image file, or photos/);
  });

  test("include pages, pointers and images of other formats, each of which is named", async () => {
    const start = (text: string): Uint8Array => new TextEncoder().encode(text);
    await refused(start("<!DOCTYPE html><title>404</title>"), /got an HTML page; download the file itself, not the page about it$/);
    await refused(start("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), /got a Git LFS pointer, .*; run `git lfs pull`/);
    await refused(start("GIF89a\0\0"), /got a GIF image; convert it to PNG$/);
  });

  /** A header alone, and one chunk of data that is too short. */
  const emptyPng = (width: number, height: number): Uint8Array => {
    const header = new Uint8Array(13);
    new DataView(header.buffer).setUint32(0, width);
    new DataView(header.buffer).setUint32(4, height);
    header.set([8, 2, 0, 0, 0], 8);
    const chunk = (type: string, data: Uint8Array): Buffer => {
      const body = Buffer.concat([Buffer.from(type), data]);
      const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
      length.writeUInt32BE(data.length);
      crc.writeUInt32BE(crc32(body));
      return Buffer.concat([length, body, crc]);
    };
    const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
    const data = Uint8Array.of(0x78, 0x9c, 3, 0, 0, 0, 0, 1);
    return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", new Uint8Array(0))]);
  };

  test("include a PNG of 400 megapixels: the error gives its size, and nothing is decoded", async () => {
    await refused(
      emptyPng(20_000, 20_000),
      /image must have at most 67 megapixels, got 20000×20000, which are 400 megapixels; make it smaller first$/,
    );
  });

  test("include a PNG with a side of more than 65,536 pixels, because decoders hold many rows at once", async () => {
    const message = /image must have sides of at most 65536 pixels, got \d+×\d+; make it smaller first$/;
    await refused(emptyPng(2_000_000, 33), message);
    await refused(emptyPng(1, 65_537), message);
  });

  test("include an image of more pixels than the caller allows", async () => {
    const path = join(folder, "allowed.png");
    await writeFile(path, png(9, 7, 3, noise(3)));
    await expect(decodeImage(path, { size: 4, maximumPixels: 62 })).rejects.toThrow(/must have at most 62 pixels, got 9×7/);
    expect((await decodeImage(path, { size: 4, maximumPixels: 63 })).length).toBe(48);
  });

  test("include a PNG and a JPEG that are cut anywhere before the end", async () => {
    const whole = [png(32, 32, 3, noise(1)), new Uint8Array(await jpeg(32, 32, noise(2)).toBuffer())];
    for (const bytes of whole)
      for (const share of [0.01, 0.1, 0.5, 0.9]) {
        const cut = bytes.subarray(0, Math.max(9, Math.floor(share * bytes.length)));
        await refused(cut, /^image: .*image must be a whole PNG, JPEG or WebP image, got .+; restore it from a copy$/s);
      }
  });
});
