/** Letters of 3×5 pixels for the captions of pictures. They can name a factor and its shape, and need no font file. */

/** The five rows of each letter from the top. Each row is an octal digit, whose bits are the pixels from the left. */
const glyphs: Readonly<Record<string, string>> = {
  ...{
    "0": "75557",
    "1": "26227",
    "2": "71747",
    "3": "71717",
    "4": "55711",
    "5": "74717",
    "6": "74757",
    "7": "71222",
    "8": "75757",
    "9": "75717",
  },
  ...{ A: "25755", B: "65656", C: "34443", D: "65556", E: "74647", F: "74644", G: "34553", H: "55755", I: "72227", J: "11152", K: "55655" },
  ...{ L: "44447", M: "57755", N: "65555", O: "25552", P: "65644", Q: "25573", R: "65655", S: "34216", T: "72222", U: "55557", V: "55552" },
  ...{ W: "55775", X: "55255", Y: "55222", Z: "71247", "×": "05250", _: "00007", ".": "00002", ",": "00024", "-": "00700", "±": "27207" },
  ...{ "=": "07070", "[": "64446", "]": "31113", "|": "22222", " ": "00000" },
};

export const letterHeight = 5;
/** The width of a letter, three pixels, and one pixel between letters. */
const advance = 4;

export const textWidth = (text: string): number => Math.max(0, text.length * advance - 1);

/** Calls `dot` for every pixel of `text` in capital letters. A letter that has no picture leaves a gap. */
export function eachDot(text: string, dot: (x: number, y: number) => void): void {
  for (const [at, letter] of [...text.toUpperCase()].entries())
    for (const [y, digit] of [...(glyphs[letter] ?? "00000")].entries())
      for (let x = 0; x < 3; x++) if ((Number(digit) >> (2 - x)) & 1) dot(at * advance + x, y);
}
