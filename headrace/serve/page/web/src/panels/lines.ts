import uPlot from "uplot";

import type { SeriesAnswer } from "../api/types.ts";
import { datum, fill, h, table } from "../ui/dom.ts";
import { quantity, saysUnit, time } from "../ui/format.ts";
import { onChange, token } from "../ui/theme.ts";
import { QUIET, query, type Setting, type View } from "./panel.ts";
import { chart, newest, parts, type Chart } from "./series.ts";

const ROOM = 6;
const HEIGHT = 150;
const FONT = "11px system-ui, sans-serif";

/** Metrics over time, as lines or bars, with the newest values beside their names. */
export class Lines implements View {
  readonly body: HTMLElement;
  readonly #canvas = h("div", { class: "chart", role: "img" });
  readonly #legend = h("div", { class: "legend" });
  #plot: uPlot | null = null;
  #shape = "";
  #chart: Chart = { times: [], lines: [], hidden: 0 };
  #stepS = 60;

  constructor(private readonly setting: Setting) {
    this.body = h("div", {}, this.#canvas, this.#legend);
    onChange(() => {
      this.#shape = "";
      if (this.#chart.lines.length) this.#draw();
    });
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#canvas);
  }

  async refresh(): Promise<void> {
    const { client, panel, metrics } = this.setting;
    const asked = query({ last: panel.last, by: panel.by });
    const answers = await Promise.all(
      metrics.map(async (metric) => {
        const path = `/v1/metrics/${metric.name}/series?${asked}`;
        const answer = await client.get<SeriesAnswer>(path);
        this.#stepS = answer.step_s;
        return { metric, series: answer.series };
      }),
    );
    this.#chart = chart(answers, ROOM);
    this.#draw();
  }

  #draw(): void {
    const nowS = Date.now() / 1000;
    const { lines, times, hidden } = this.#chart;
    const values = lines.map((line) => newest(this.#chart, line, this.#stepS, nowS));
    this.#say(values, hidden);
    const shape = lines.map((line) => line.label).join("\n");
    const data = [times, ...lines.flatMap((line) => parts(this.#chart, line, this.#stepS, nowS))];
    if (this.#plot && shape === this.#shape) {
      this.#plot.setData(data as uPlot.AlignedData);
      return;
    }
    this.#shape = shape;
    this.#plot?.destroy();
    fill(this.#canvas);
    if (lines.length) this.#plot = new uPlot(this.#options(), data as uPlot.AlignedData, this.#canvas);
    else this.#plot = null;
  }

  #say(values: readonly { now: number | null; full: number | null }[], hidden: number): void {
    const { lines } = this.#chart;
    const { title } = this.setting.panel;
    if (!lines.length) {
      fill(this.#legend, h("p", { class: "quiet" }, QUIET));
      this.#canvas.setAttribute("aria-label", `${title}: ${QUIET}`);
      return;
    }
    const shown = lines.map((line, i) => {
      const { now, full } = values[i]!;
      return [
        h("span", { class: `key k${i + 1}` }, line.label),
        datum(now, quantity(now, line.unit)),
        datum(full, quantity(full, line.unit)),
      ];
    });
    const span = this.#stepS === 60 ? "minute" : this.#stepS === 3600 ? "hour" : "step";
    fill(
      this.#legend,
      table(["", `#this ${span}`, "#the one before"], shown, title),
      hidden > 0 && h("p", { class: "quiet" }, `and ${hidden} more`),
    );
    const told = lines.map((line, i) => `${line.label} ${quantity(values[i]!.full, line.unit)}`);
    this.#canvas.setAttribute("aria-label", `${title}, last full ${span}: ${told.join(", ")}`);
  }

  #size(): { width: number; height: number } {
    return { width: Math.max(160, this.#canvas.clientWidth), height: HEIGHT };
  }

  #options(): uPlot.Options {
    const { panel, metrics } = this.setting;
    const unit = metrics[0]?.unit ?? "";
    const grid = { stroke: token("line"), width: 1 };
    const axis = { font: FONT, stroke: token("ink-2"), ticks: { show: false } };
    const bars = panel.show === "bars" ? uPlot.paths.bars!({ size: [0.72, 40] }) : null;
    const series = this.#chart.lines.flatMap((line, i): uPlot.Series[] => {
      const stroke = token(`series-${i + 1}`);
      const common = { label: line.label, stroke, points: { show: false } };
      if (bars) {
        return [
          { ...common, width: 0, fill: stroke, paths: bars },
          { ...common, width: 1, paths: bars },
        ];
      }
      return [
        { ...common, width: 1.5 },
        { ...common, width: 1.5, dash: [3, 3] },
      ];
    });
    return {
      ...this.#size(),
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      padding: [8, 16, 0, 0],
      scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08] } },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 22,
          gap: 4,
          space: 64,
          values: (_, splits) => splits.map((at) => time(at * 1000).slice(0, 5)),
        },
        {
          ...axis,
          grid,
          size: 52,
          gap: 6,
          space: 34,
          values: (_, splits) => splits.map((value) => quantity(value, unit)),
        },
      ],
      series: [{}, ...series],
      plugins: [this.#readout()],
    };
  }

  /** What the pointer is on, in words, at the top of the chart. */
  #readout(): uPlot.Plugin {
    const tip = h("div", { class: "tip", "aria-hidden": "true" });
    return {
      hooks: {
        init: (plot) => void plot.over.append(tip),
        setCursor: (plot) => {
          const at = plot.cursor.idx;
          const when = at === null || at === undefined ? undefined : this.#chart.times[at];
          tip.hidden = when === undefined;
          if (when === undefined) return;
          const told = this.#chart.lines.map(
            (line) => `${line.label} ${quantity(line.values[at!] ?? null, line.unit)}`,
          );
          fill(tip, `${time(when * 1000).slice(0, 5)}  `, told.join("   "));
        },
      },
    };
  }
}

/** The unit of a panel's metrics where their values do not say it. */
export function unitHint(setting: Setting): string {
  const units = new Set(setting.metrics.map((m) => m.unit).filter((unit) => unit && !saysUnit(unit)));
  return [...units].join(", ");
}
