import { s } from "./dom.ts";

const WIDTH = 120;
const HEIGHT = 26;

/** The last minute of a value as a small line. */
export class Spark {
  readonly element: SVGSVGElement;
  readonly #line = s("polyline", { points: "" });
  readonly #values: number[] = [];

  constructor(private readonly room = 60) {
    this.element = s(
      "svg",
      {
        class: "spark",
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: "none",
        "aria-hidden": "true",
      },
      this.#line,
    );
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > this.room) this.#values.shift();
    const most = Math.max(...this.#values, Number.MIN_VALUE);
    const step = WIDTH / (this.room - 1);
    const from = this.room - this.#values.length;
    const points = this.#values.map((v, i) => {
      const y = HEIGHT - 1 - (v / most) * (HEIGHT - 2);
      return `${((from + i) * step).toFixed(1)},${y.toFixed(1)}`;
    });
    this.#line.setAttribute("points", points.join(" "));
  }
}
