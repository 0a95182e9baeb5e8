import fc from "fast-check";
import { expect, test } from "vitest";
import { fileKind } from "../../src/core/file-kind.ts";
import { encodeNpy } from "../../src/interchange/npy.ts";
import { encodeNpz } from "../../src/interchange/npz.ts";
import { zip } from "../../src/interchange/zip.ts";
import { encodeSafetensors } from "../../src/train/safetensors.ts";

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const array = { shape: [1], data: Float32Array.of(1) };
const empty = new Uint8Array(0);

test.each<[string, Uint8Array, string]>([
  ["nothing", empty, "an empty file"],
  [
    "an LFS pointer",
    text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
    "a Git LFS pointer, which stands for the file",
  ],
  ["an HTML page", text("<!DOCTYPE html>\n<html>"), "an HTML page"],
  ["an HTML page after a mark and blanks", text("\ufeff \n<HTML lang='en'>"), "an HTML page"],
  ["an error of a store", text('<?xml version="1.0"?><Error><Code>AccessDenied'), "an XML page, such as a server's error"],
  ["torch.save's archive", zip([{ name: "archive/data.pkl", content: empty }], false), "a PyTorch archive (.pth or .pt)"],
  ["torch.save's archive of PyTorch 2", zip([{ name: "net/.format_version", content: empty }], false), "a PyTorch archive (.pth or .pt)"],
  ["numpy.savez's archive", encodeNpz(new Map([["layer/a.weight", array]])), "a NumPy archive (.npz)"],
  ["another archive", zip([{ name: "notes.txt", content: empty }], false), "a zip archive"],
  ["an archive of nothing", zip([], false), "a zip archive"],
  ["torch.save's pickle before 1.6", Uint8Array.of(0x80, 2, 0x8a, 10, 0x6c, 0xfc), "a Python pickle (.pth, .pt or .bin)"],
  ["a pickle of protocol 4", Uint8Array.of(0x80, 4, 0x95, 10), "a Python pickle (.pth, .pt or .bin)"],
  ["an array", encodeNpy(array), "a NumPy array (.npy)"],
  ["an HDF5 file", Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10, 0), "an HDF5 file (.h5)"],
  ["a PNG", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0), "a PNG image"],
  ["a JPEG", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0), "a JPEG image"],
  ["a WebP", text("RIFF\0\0\0\0WEBPVP8 "), "a WebP image"],
  ["a gzip file", Uint8Array.of(0x1f, 0x8b, 8, 0), "a gzip file"],
  ["an index of safetensors", text('{"metadata": {"total_size": 1}, "weight_map": {}}'), "a JSON file"],
  ["safetensors", encodeSafetensors(new Map([["a", array]])), "a safetensors file"],
])("%s is recognised", (_, bytes, name) => expect(fileKind(bytes)?.name).toBe(name));

test("every file of safetensors is recognised, whatever the length of its header", () =>
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 40 }), { minLength: 1, maxLength: 20 }), (names) => {
      const bytes = encodeSafetensors(new Map(names.filter((name) => name !== "__metadata__").map((name) => [name, array])));
      expect(fileKind(bytes)?.name).toBe("a safetensors file");
    }),
  ));

test("other bytes are of no kind", () => expect(fileKind(Uint8Array.of(1, 2, 3, 4))).toBe(undefined));
