/** The word of a list that a mistyped or abbreviated word was probably meant to be. */

/**
 * The number of edits between two words: a letter is inserted, deleted or replaced, or two neighbours are exchanged (optimal string
 * alignment).
 */
export function editDistance(a: string, b: string): number {
  const width = b.length + 1;
  const distances = new Uint32Array((a.length + 1) * width);
  for (let j = 0; j < width; j++) distances[j] = j;
  for (let i = 1; i <= a.length; i++) {
    distances[i * width] = i;
    for (let j = 1; j < width; j++) {
      const at = i * width + j;
      const replaced = distances[at - width - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(distances[at - width]! + 1, distances[at - 1]! + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, distances[at - 2 * width - 2]! + 1);
      distances[at] = least;
    }
  }
  return distances[distances.length - 1]!;
}

/** `TensorTrain` and `tensor-train` → `tt`. A word of one part has no initials. */
const initials = (word: string): string => {
  const parts = word.match(/[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])/g) ?? [];
  return parts.length > 1 ? parts.map((part) => part[0]!.toLowerCase()).join("") : "";
};

/** Longer texts are no mistyped words. To count the edits between two words takes time in proportion to the product of their lengths. */
const longestWord = 200;

/** Shorter words are the beginning of too many others. */
const leastPrefix = 3;

/**
 * The entry of `words` that is nearest to `given`; undefined when none is near. Upper and lower case do not matter. A word is near
 * - when at most a third of the letters must be changed,
 * - when one of the two is the beginning of the other: `Hash` and `HashedNet` for `Hashed`,
 * - when one of the two is made of the initials of the other: `TT` for `TensorTrain`.
 *
 * Nothing is near to a text of more than 200 letters.
 */
export function nearestWord<T extends string>(given: string, words: readonly T[]): T | undefined {
  if (given.length > longestWord) return undefined;
  const typed = given.toLowerCase();
  let nearest: T | undefined;
  let least = Infinity;
  for (const word of words) {
    const known = word.toLowerCase();
    const isBeginning = Math.min(typed.length, known.length) >= leastPrefix && (known.startsWith(typed) || typed.startsWith(known));
    const isShort = typed !== "" && (initials(word) === typed || initials(given) === known);
    const edits = editDistance(typed, known);
    const near = edits <= Math.max(1, Math.floor(Math.max(typed.length, known.length) / 3)) && edits < Math.max(typed.length, known.length);
    const distance = isShort || isBeginning ? Math.min(edits, 1) : near ? edits : Infinity;
    if (distance < least) [nearest, least] = [word, distance];
  }
  return nearest;
}

/** The end of a message about a wrong word: `; did you mean quick?`, or nothing when no word is near. */
export function suggestion(given: string, words: readonly string[]): string {
  const nearest = nearestWord(given, words);
  return nearest === undefined ? "" : `; did you mean ${nearest}?`;
}
