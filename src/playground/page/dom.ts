/** Makes elements of HTML and SVG. Text becomes text nodes, so nothing that a visitor or a file says can become markup. */

type Child = Node | string | undefined | false;
type Value = string | number | boolean | undefined | ((event: Event) => void);

const svgNamespace = "http://www.w3.org/2000/svg";

function fill<E extends Element>(element: E, attributes: Readonly<Record<string, Value>>, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/** An element of HTML. An attribute that is a function listens to the event of its name. */
export const h = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, Value>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] => fill(document.createElement(tag), attributes, children);

/** An element of SVG. */
export const s = <Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, Value>> = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Tag] => fill(document.createElementNS(svgNamespace, tag), attributes, children);

/** Replaces what is in an element. */
export const show = (element: Element, ...children: readonly Child[]): void =>
  element.replaceChildren(...children.filter((child) => child !== undefined && child !== false));
