/**
 * Pictures as SVG in the colours of the page. The site puts them into its pages, where `theme/style.css` gives the classes their colours.
 * GitHub shows them as image files, which follow the reader's system by the style that they carry.
 */

/** The colours of the classes in a light and in a dark page. `theme/style.css` has the same. */
const style =
  `.pic text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}.pic .dim{fill:#59636e}.pic .line{stroke:#59636e;fill:none}
.pic .box{fill:#f6f8fa;stroke:#8b949e}.pic .bar{fill:#8b949e}.pic .value{fill:#0550ae}.pic .gradient{fill:#a8071a}
.pic .accent{fill:#dbe4ff;stroke:#3451b2}.pic .other{fill:#ffe7d1;stroke:#9a4b00}.pic .mark{fill:#ffc9c4;stroke:#a8071a}.pic .back{stroke:#a8071a;fill:none}
@media(prefers-color-scheme:dark){.pic text{fill:#e6edf3}.pic .dim{fill:#a4adb8}.pic .line{stroke:#a4adb8}.pic .box{fill:#262b33;stroke:#6e7681}
.pic .value{fill:#8ab4ff}.pic .gradient{fill:#ff9d95}.pic .accent{fill:#2c3a63;stroke:#a8b1ff}.pic .other{fill:#4a3420;stroke:#f0a35e}
.pic .mark{fill:#5c2320;stroke:#ff9d95}.pic .back{stroke:#ff9d95}}`.replaceAll("\n", "");

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const rounded = (value: number): string => String(Math.round(value * 10) / 10);

/** A class of `style`. */
export type Paint = "mark" | "dim" | "line" | "box" | "bar" | "value" | "gradient" | "accent" | "other" | "back";

export interface TextOptions {
  /** Default: the colour of ordinary text. */
  readonly paint?: Paint;
  /** Which part of the text is at x. Default: its middle. */
  readonly anchor?: "start" | "middle" | "end";
  /** Default: false. */
  readonly bold?: boolean;
}

/** A line of text whose baseline is at y. */
export function text(x: number, y: number, content: string, { paint, anchor = "middle", bold = false }: TextOptions = {}): string {
  const classes = paint === undefined ? "" : ` class="${paint}"`;
  const weight = bold ? ' font-weight="600" style="font-weight:600"' : "";
  return `<text x="${rounded(x)}" y="${rounded(y)}" text-anchor="${anchor}"${classes}${weight}>${escaped(content)}</text>`;
}

/** A rectangle with round corners. */
export function box(x: number, y: number, width: number, height: number, paint: Paint = "box", radius = 6): string {
  const [left, top, w, h] = [x, y, width, height].map(rounded);
  return `<rect x="${left}" y="${top}" width="${w}" height="${h}" rx="${radius}" class="${paint}"/>`;
}

/** A line along the path `d` of SVG; an arrow with `arrow`. */
export function path(d: string, { paint = "line", arrow = false, dashed = false }: PathOptions = {}): string {
  return `<path d="${d}" class="${paint}"${arrow ? ` marker-end="url(#tip-${paint})"` : ""}${dashed ? ' stroke-dasharray="4 4"' : ""}/>`;
}

export interface PathOptions {
  /** Default: line. */
  readonly paint?: "line" | "back";
  /** Default: false. */
  readonly arrow?: boolean;
  /** Default: false. */
  readonly dashed?: boolean;
}

/** A straight line between two points. */
export const line = (x1: number, y1: number, x2: number, y2: number, options: PathOptions = {}): string =>
  path(`M${rounded(x1)} ${rounded(y1)}L${rounded(x2)} ${rounded(y2)}`, options);

/** A curve from (x1, y1) down or up to (x2, y2), which is vertical at both ends. */
export function curve(x1: number, y1: number, x2: number, y2: number, options: PathOptions = {}): string {
  const middle = rounded((y1 + y2) / 2);
  const [a, b, c, d] = [x1, y1, x2, y2].map(rounded);
  return path(`M${a} ${b}C${a} ${middle} ${c} ${middle} ${c} ${d}`, options);
}

/** How wide a text is, about. */
export const textWidth = (content: string): number => 7.2 * [...content].length;

const tip = (paint: string, kind: string): string =>
  `<marker id="tip-${paint}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8" class="${kind}"/></marker>`;

/** The picture as a file. `title` is what a screen reader says. */
export function picture(width: number, height: number, title: string, parts: readonly string[]): string {
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  const head = `<svg xmlns="http://www.w3.org/2000/svg" class="pic" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img">`;
  const markers = parts.some((part) => part.includes("url(#tip-")) ? `<defs>${tip("line", "line")}${tip("back", "back")}</defs>` : "";
  return `${head}<title>${escaped(title)}</title><style>${style}</style>${markers}\n${parts.join("\n")}\n</svg>\n`;
}
