/** Recognises files of other formats by their first bytes, so that an error can say what a file is and what to do with it. */

/** What a file is, as a noun phrase, and what to do with it. */
export interface FileKind {
  readonly name: string;
  readonly remedy: string;
}

/** The number of bytes that the recognition reads. */
const startLength = 512;

const pytorch = "load it in Python and save it with safetensors.torch.save_file(state_dict, path)";
const download = "download the file itself";

/** The beginning of a file, in the forms that the recognition compares. */
interface Start {
  readonly hex: string;
  /** The bytes as Latin-1, without a byte-order mark and the blanks after it. */
  readonly text: string;
}

const hexOf = (text: string): string => Array.from(text, (character) => character.charCodeAt(0).toString(16).padStart(2, "0")).join("");

const bytes =
  (...beginnings: readonly string[]) =>
  ({ hex }: Start): boolean =>
    beginnings.some((beginning) => hex.startsWith(beginning));
const ascii = (...beginnings: readonly string[]): ((start: Start) => boolean) => bytes(...beginnings.map(hexOf));
const text =
  (pattern: RegExp) =>
  (start: Start): boolean =>
    pattern.test(start.text);

/** A zip archive whose first file has such a name. The name stands after a header of 30 bytes. */
const zipOf =
  (name: RegExp) =>
  (start: Start): boolean =>
    ascii("PK\u0003\u0004")(start) && name.test(start.text.slice(30));

/** Formats by their first bytes. The first that matches is the file's. */
const kinds: readonly (FileKind & { readonly matches: (start: Start) => boolean })[] = [
  { matches: ({ hex }) => hex === "", name: "an empty file", remedy: "write or download it again" },
  {
    // The length of the header, then JSON. This comes first, because a length may begin as another format does.
    matches: ({ hex }) => /^.{8}000000007b(20)*22/.test(hex),
    name: "a safetensors file",
    remedy: "read it with decodeSafetensors, or give it the extension .safetensors",
  },
  {
    matches: ascii("version https://git-lfs."),
    name: "a Git LFS pointer, which stands for the file",
    remedy: "run `git lfs pull` in its repository",
  },
  { matches: text(/^<(!doctype html|html|head|body)/i), name: "an HTML page", remedy: `${download}, not the page about it` },
  { matches: text(/^<svg/i), name: "an SVG image", remedy: "convert it to PNG" },
  { matches: text(/^<\?xml/i), name: "an XML page, such as a server's error", remedy: download },
  {
    matches: zipOf(/^[^/]*\/?(data\.pkl|version|byteorder|\.format_version)/),
    name: "a PyTorch archive (.pth or .pt)",
    remedy: pytorch,
  },
  {
    matches: zipOf(/^.{0,200}\.npy/),
    name: "a NumPy archive (.npz)",
    remedy: "write it as safetensors first: separable convert net.npz net.safetensors, or decodeNpz and encodeSafetensors",
  },
  { matches: bytes("504b0304", "504b0506", "504b0708"), name: "a zip archive", remedy: "unpack it first" },
  { matches: bytes("8002", "8003", "8004", "8005"), name: "a Python pickle (.pth, .pt or .bin)", remedy: pytorch },
  { matches: bytes(`93${hexOf("NUMPY")}`), name: "a NumPy array (.npy)", remedy: "read it with decodeNpy" },
  { matches: bytes("894844460d0a1a0a"), name: "an HDF5 file (.h5)", remedy: "load it in Python and save its arrays with numpy.savez" },
  { matches: bytes("89504e470d0a1a0a"), name: "a PNG image", remedy: "name another file" },
  { matches: bytes("ffd8ff"), name: "a JPEG image", remedy: "name another file" },
  { matches: text(/^RIFF.{4}WEBP/s), name: "a WebP image", remedy: "name another file" },
  { matches: ascii("GIF87a", "GIF89a"), name: "a GIF image", remedy: "convert it to PNG" },
  { matches: bytes("1f8b"), name: "a gzip file", remedy: "unpack it first with gunzip" },
  { matches: ascii("GGUF"), name: "a GGUF file", remedy: "name a safetensors file of the same network" },
  { matches: text(/^[[{]/), name: "a JSON file", remedy: "name the file with the numbers" },
];

/** The kind of the file that begins with these bytes; undefined where they fit no kind. */
export function fileKind(content: Uint8Array): FileKind | undefined {
  const characters = Array.from(content.subarray(0, startLength), (byte) => String.fromCharCode(byte)).join("");
  const start = { hex: hexOf(characters), text: characters.replace(/^\u00ef\u00bb\u00bf/, "").trimStart() };
  return kinds.find(({ matches }) => matches(start));
}
