import type { Metric, TopAnswer } from "../api/types.ts";
import { grouped } from "../grouped.ts";
import { datum, fill, h, table } from "../ui/dom.ts";
import { quantity, words } from "../ui/format.ts";
import { QUIET, query, type Setting, type View } from "./panel.ts";
import { quantile } from "./series.ts";

interface Column {
  readonly title: string;
  readonly unit: string;
  readonly values: ReadonlyMap<string, number | null>;
}

/** So many values of a dimension are looked through for those of the rows. */
const OTHERS = 200;

/** A row for each value of a dimension, a column for each metric; of quantiles the highest. */
export class Breakdown implements View {
  readonly body = h("div", { class: "scroll", tabindex: 0, role: "region" });

  constructor(private readonly setting: Setting) {
    this.body.setAttribute("aria-label", setting.panel.title);
  }

  async refresh(): Promise<void> {
    const { client, panel, metrics } = this.setting;
    const columns = (
      await Promise.all(
        metrics.map(async (metric, i) => {
          // The first metric chooses the rows; the others' greatest may be of other rows.
          const n = i === 0 ? panel.rows : OTHERS;
          const asked = query({ by: panel.by, n, last: panel.last });
          const path = `/v1/metrics/${metric.name}/top?${asked}`;
          return columnsOf(metric, panel.by ?? "", await client.get<TopAnswer>(path));
        }),
      )
    ).flat();
    const names = [...(columns[0]?.values.keys() ?? [])];
    if (!names.length) {
      fill(this.body, h("p", { class: "quiet" }, QUIET));
      return;
    }
    const rows = names.map((name) => [
      name || "(none)",
      ...columns.map((column) => {
        const value = column.values.get(name) ?? null;
        return datum(value, quantity(value, column.unit));
      }),
    ]);
    const titles = [words(panel.by ?? ""), ...columns.map((column) => `#${column.title}`)];
    fill(this.body, table(titles, rows, panel.title));
  }
}

/** The columns that an answer fills: one, or one for each quantile. */
export function columnsOf(metric: Metric, by: string, answer: TopAnswer): Column[] {
  const levels = grouped(answer.rows, (row) => row.labels["quantile"] ?? "");
  return [...levels].map(([level, rows]) => ({
    title: level ? quantile(level) : words(metric.name),
    unit: metric.unit,
    values: new Map(rows.map((row) => [row.labels[by] ?? "", row.value])),
  }));
}
