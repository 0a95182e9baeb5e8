/** SVG and HTML as text: elements of escaped attributes, and how wide a label will be. */

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Text as it may stand between tags and within quotes. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[character]!);

/** An element; `content` is markup already. Numbers are rounded to a hundredth of a pixel. */
export function element(name: string, attributes: Attributes, ...content: readonly string[]): string {
  const written = Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return [` ${key}="${typeof value === "number" ? Math.round(value * 100) / 100 : escaped(value)}"`];
  });
  return content.length === 0 ? `<${name}${written.join("")}/>` : `<${name}${written.join("")}>${content.join("")}</${name}>`;
}

/** Em widths of Inter's characters, roughly: enough, for labels are stretched to what was reckoned here whatever font is at hand. */
function characterWidth(character: string): number {
  if (/[ilj.,:;'|!]/.test(character)) return 0.28;
  if (character === "1") return 0.46;
  if (/[mwMW%@]/.test(character)) return 0.88;
  if (/[A-Z]/.test(character)) return 0.68;
  if (/[0-9]/.test(character)) return 0.62;
  return /[_\-\s()rft]/.test(character) ? 0.42 : 0.57;
}

export const textWidth = (text: string, size: number): number =>
  size * [...text].reduce((total, character) => total + characterWidth(character), 0);

export interface TextOptions {
  readonly size?: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly className?: string;
  /** Degrees around its own point. */
  readonly rotate?: number;
}

/** A line of text exactly as wide as `textWidth` says, so that what was placed without overlap is drawn without. */
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

/** Colours by class, light unless the page says otherwise: a picture file is light, a page may be dark. */
const style = `text{font-family:Inter,system-ui,sans-serif}.ink{fill:#1f2328}.soft{fill:#59636e}.axis{stroke:#8b949e;fill:none}.grid{stroke:#e4e8ec;fill:none}
.leader{stroke:#8b949e;stroke-width:.8;fill:none}.front{stroke:#1f2328;stroke-width:1.6;stroke-dasharray:6 4;fill:none}.published{fill:#8b949e;stroke:#8b949e}.paper{fill:#fff}`;

export interface PictureOptions {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly description: string;
}

/** A whole picture, that says to a screen reader what it shows. */
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
