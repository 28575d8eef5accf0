import { s } from "../ui/dom.ts";
import { short } from "../ui/format.ts";
import { layout, type Edge, type Node, type Placed } from "./layout.ts";

const SIZE = { boxWidth: 178, boxHeight: 34, gapX: 92, gapY: 8 };
const MARGIN = 2;
const THIN = 1;
const THICK = 5;

/** What a box and its edges show of a node at a time. */
export interface Reading {
  /** What stands in the box. */
  readonly text: string;
  /** Events a second that leave a topic, or rows a second that reach a table; else null. */
  readonly flow: number | null;
  readonly wrong?: boolean;
}

/** The drawn graph. Its boxes are buttons; `select` marks one and the edges that touch it. */
export class Picture {
  readonly element: SVGSVGElement;
  readonly #boxes = new Map<string, SVGGElement>();
  readonly #lines: { from: Placed; to: Placed; path: SVGPathElement; rate: SVGTextElement }[] = [];

  constructor(nodes: readonly Node[], edges: readonly Edge[], onSelect: (node: Node) => void) {
    const drawn = layout(nodes, edges, SIZE);
    const place = new Map(drawn.nodes.map((node) => [node.id, node]));
    const width = drawn.width + 2 * MARGIN;
    const height = drawn.height + 2 * MARGIN;
    this.element = s("svg", {
      viewBox: `${-MARGIN} ${-MARGIN} ${width} ${height}`,
      width,
      height,
      role: "group",
      "aria-label": "Topics, agents and what they fill; events flow from left to right",
    });
    const labels: SVGTextElement[] = [];
    for (const [a, b] of edges) {
      const from = place.get(a);
      const to = place.get(b);
      if (!from || !to) continue;
      const path = s("path", { class: "edge", d: curve(from, to) });
      const rate = s("text", { class: "rate", ...labelPlace(from, to) });
      this.element.append(path);
      labels.push(rate);
      this.#lines.push({ from, to, path, rate });
    }
    this.#keepOneLabelAPlace();
    this.element.append(...labels);
    for (const node of drawn.nodes) this.element.append(this.#box(node, onSelect));
  }

  /** Show the rates of now. */
  update(read: (node: Node) => Reading): void {
    const rates = this.#lines.map(({ from, to }) => read(counted(from, to)).flow);
    const most = Math.max(1, ...rates.map((rate) => rate ?? 0));
    this.#lines.forEach(({ path, rate }, i) => {
      const value = rates[i] ?? null;
      const share = value ? Math.log1p(value) / Math.log1p(most) : 0;
      path.style.strokeWidth = String(THIN + (THICK - THIN) * share);
      path.classList.toggle("flowing", Boolean(value));
      rate.textContent = value ? `${short(value)}/s` : "";
    });
    for (const [id, box] of this.#boxes) {
      const reading = read({ id, name: box.dataset.name!, kind: box.dataset.kind! });
      const { text } = reading;
      box.querySelector(".reading")!.textContent = text;
      box.classList.toggle("wrong", reading.wrong ?? false);
      box.setAttribute("aria-label", `${box.dataset.kind} ${box.dataset.name}, ${text}`);
    }
  }

  /** Mark a node and what is joined to it; null marks nothing. */
  select(id: string | null): void {
    for (const [name, box] of this.#boxes) box.setAttribute("aria-pressed", String(name === id));
    for (const { from, to, path, rate } of this.#lines) {
      const near = from.id === id || to.id === id;
      path.classList.toggle("near", near);
      rate.classList.toggle("near", near);
    }
  }

  #box(node: Placed, onSelect: (node: Node) => void): SVGGElement {
    const activate = () => onSelect(node);
    const radius = node.kind === "topic" ? SIZE.boxHeight / 2 : 4;
    const inset = node.kind === "topic" ? 16 : 12;
    const box = s(
      "g",
      {
        class: `node ${node.kind}`,
        transform: `translate(${node.x} ${node.y})`,
        role: "button",
        tabindex: 0,
        "aria-label": `${node.kind} ${node.name}`,
        "aria-pressed": "false",
        click: activate,
        keydown: ((event: KeyboardEvent) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          activate();
        }) as EventListener,
      },
      s("rect", { width: SIZE.boxWidth, height: SIZE.boxHeight, rx: radius }),
      s("text", { class: "name", x: inset, y: 14.5 }, clipped(node.name)),
      s("text", { class: "reading", x: inset, y: 27 }),
    );
    box.dataset.name = node.name;
    box.dataset.kind = node.kind;
    this.#boxes.set(node.id, box);
    return box;
  }

  /** Edges that would write the same rate at the same place share one label. */
  #keepOneLabelAPlace(): void {
    const taken = new Set<string>();
    for (const { rate } of this.#lines) {
      const at = `${rate.getAttribute("x")},${rate.getAttribute("y")}`;
      if (taken.has(at)) rate.classList.add("double");
      taken.add(at);
    }
  }
}

/** Topics hand the same events to all that read them; tables take rows: that end is counted. */
function counted(from: Placed, to: Placed): Placed {
  return from.kind === "topic" ? from : to;
}

function labelPlace(from: Placed, to: Placed): Record<string, string | number> {
  if (counted(from, to) === from) {
    return { x: from.x + SIZE.boxWidth + 6, y: from.y + SIZE.boxHeight / 2 - 4 };
  }
  return { x: to.x - 6, y: to.y + SIZE.boxHeight / 2 - 4, "text-anchor": "end" };
}

function curve(from: Placed, to: Placed): string {
  const [x1, y1] = [from.x + SIZE.boxWidth, from.y + SIZE.boxHeight / 2];
  const [x2, y2] = [to.x, to.y + SIZE.boxHeight / 2];
  const bend = Math.max(24, (x2 - x1) / 2);
  return `M${x1},${y1}C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
}

function clipped(name: string): string {
  return name.length > 25 ? `${name.slice(0, 24)}…` : name;
}
