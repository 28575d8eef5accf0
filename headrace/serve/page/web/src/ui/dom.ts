type Child = Node | string | number | null | undefined | false;
type Attributes = Readonly<Record<string, string | number | boolean | EventListener | undefined>>;

/** An HTML element; attributes that are functions are listeners, false and undefined are left out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  return filled(element, attributes, children);
}

function filled<E extends Element>(
  element: E,
  attributes: Attributes,
  children: readonly Child[],
): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) {
      element.append(child instanceof Node ? child : String(child));
    }
  }
}

/** Replace what an element holds. */
export function fill(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren();
  append(element, children);
}

/** Set text only where it changes, so that selections and screen readers are left in peace. */
export function put(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** An element that carries its exact value beside the text people read. */
export function datum(value: number | null, text: string): HTMLDataElement {
  return h("data", { value: value ?? "" }, text);
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element #${id}`);
  return found;
}

/** A table: names of columns (a `#` before one: numbers), and rows of cells. */
export function table(
  columns: readonly string[],
  rows: readonly (readonly Child[])[],
  caption: string,
): HTMLTableElement {
  const numeric = columns.map((column) => column.startsWith("#"));
  const cls = (index: number) => (numeric[index] ? "n" : undefined);
  return h(
    "table",
    {},
    h("caption", { class: "hidden" }, caption),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ...columns.map((column, i) =>
          h("th", { scope: "col", class: cls(i) }, column.replace(/^#/, "")),
        ),
      ),
    ),
    h(
      "tbody",
      {},
      ...rows.map((row) =>
        h("tr", {}, ...row.map((cell, i) => h("td", { class: cls(i) }, cell))),
      ),
    ),
  );
}
