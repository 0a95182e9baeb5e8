/** Writes SVG and HTML as text, and computes the widths of labels. */

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** What XML 1.0 does not allow in a document, escaped or not: most control characters, and halves of surrogate pairs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are looked for.
const forbidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu;

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Escapes text, so that it can stand between tags and within quotes. A character that XML does not allow becomes U+FFFD. */
export const escaped = (text: string): string => text.replace(forbidden, "\ufffd").replace(/[&<>"']/g, (character) => entities[character]!);

/** An element. Its attributes are escaped here, and `content` is markup. Numbers are rounded to a hundredth of a pixel. */
export function element(name: string, attributes: Attributes, ...content: readonly string[]): string {
  const written = Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return [` ${key}="${typeof value === "number" ? Math.round(value * 100) / 100 : escaped(value)}"`];
  });
  return content.length === 0 ? `<${name}${written.join("")}/>` : `<${name}${written.join("")}>${content.join("")}</${name}>`;
}

/**
 * Approximate widths of Inter's characters, in em. They need not be exact, because `label` stretches a text to the computed width in any
 * font.
 */
function characterWidth(character: string): number {
  if (/[ilj.,:;'|!]/.test(character)) return 0.28;
  if (character === "1") return 0.46;
  if (/[mwMW%@]/.test(character)) return 0.88;
  if (/[A-Z]/.test(character)) return 0.68;
  if (/[0-9]/.test(character)) return 0.62;
  return /[_\-\s()rft]/.test(character) ? 0.42 : 0.57;
}

/** The width, in pixels, of a text in a font of `size` pixels. */
export const textWidth = (text: string, size: number): number =>
  size * [...text].reduce((total, character) => total + characterWidth(character), 0);

/** A text in lines of at most `width` pixels. A word that is longer gets a line of its own. */
export function wrapped(text: string, width: number, size: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && textWidth(longer, size) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

export interface TextOptions {
  /** In pixels. Default: 12. */
  readonly size?: number;
  /** The part of the text that is at the point. Default: `start`. */
  readonly anchor?: "start" | "middle" | "end";
  /** Default: `ink`. */
  readonly className?: string;
  /** Rotation around the point, in degrees. Default: 0. */
  readonly rotate?: number;
}

/** A line of text that is exactly as wide as `textWidth` computes, so that labels without overlap are drawn without overlap. */
export function label(
  text: string,
  x: number,
  y: number,
  { size = 12, anchor = "start", className = "ink", rotate }: TextOptions = {},
): string {
  const width = textWidth(text, size);
  const transform = rotate === undefined ? undefined : `rotate(${rotate} ${x} ${y})`;
  const fit = { textLength: width, lengthAdjust: "spacingAndGlyphs" };
  return element("text", { x, y, "font-size": size, "text-anchor": anchor, class: className, transform, ...fit }, escaped(text));
}

/** The style sheet of a plot in light colours. The page's own style sheet overrides the colours in dark schemes. */
const style = `text{font-family:Inter,system-ui,sans-serif}
.ink{fill:#1f2328}.soft{fill:#59636e}.paper{fill:#fff}.published{fill:#8b949e;stroke:#8b949e}
.axis{stroke:#8b949e;fill:none}.grid{stroke:#e4e8ec;fill:none}.leader{stroke:#8b949e;stroke-width:.8;fill:none}
.front{stroke:#1f2328;stroke-width:1.6;stroke-dasharray:6 4;fill:none}
.curve{fill:none;stroke-width:1.9;stroke-linejoin:round}.seed{fill:none;stroke-width:.8;stroke-linejoin:round;opacity:.55}`;

export interface PictureOptions {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  readonly title: string;
  readonly description: string;
}

/** A complete SVG document, with a title and a description for screen readers. */
export const picture = ({ width, height, title, description }: PictureOptions, ...content: readonly string[]): string =>
  element(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height, role: "img" },
    element("title", {}, escaped(title)),
    element("desc", {}, escaped(description)),
    element("style", {}, style),
    element("rect", { width, height, class: "paper" }),
    ...content,
  );
