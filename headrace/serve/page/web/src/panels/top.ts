import type { TopAnswer } from "../api/types.ts";
import { datum, fill, h } from "../ui/dom.ts";
import { quantity } from "../ui/format.ts";
import { QUIET, query, type Setting, type View } from "./panel.ts";

/** The greatest values of a metric by a dimension, as bars from one side. */
export class Top implements View {
  readonly body = h("ol", { class: "ranked" });

  constructor(private readonly setting: Setting) {}

  async refresh(): Promise<void> {
    const { client, panel, metrics } = this.setting;
    const metric = metrics[0]!;
    const asked = query({ by: panel.by, n: panel.rows, last: panel.last });
    const answer = await client.get<TopAnswer>(`/v1/metrics/${metric.name}/top?${asked}`);
    const rows = answer.rows.map((row) => ({
      name: (panel.by && row.labels[panel.by]) || "(none)",
      value: row.value ?? 0,
      text: quantity(row.value, metric.unit),
    }));
    showBars(this.body, rows);
  }
}

export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly text: string;
  readonly note?: string;
}

/** Rows with a bar each; elements are kept, so that bars move to their new length. */
export function showBars(list: HTMLElement, rows: readonly Bar[]): void {
  if (!rows.length) {
    fill(list, h("li", { class: "quiet" }, QUIET));
    return;
  }
  if (list.querySelector(".quiet")) fill(list);
  const most = Math.max(...rows.map((row) => row.value), Number.MIN_VALUE);
  rows.forEach((row, i) => {
    const item = list.children[i] ?? list.appendChild(h("li", {}, h("span"), h("b"), h("i"), h("small")));
    const [name, value, bar, note] = item.children as unknown as HTMLElement[];
    fill(name!, row.name);
    fill(value!, datum(row.value, row.text));
    bar!.style.width = `${(100 * row.value) / most}%`;
    fill(note!, row.note);
  });
  while (list.children.length > rows.length) list.lastElementChild!.remove();
}
