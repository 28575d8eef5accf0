/** From the API's series to what a chart draws: pure functions. */

import type { Labels, Metric, Series } from "../api/types.ts";
import { percent, words } from "../ui/format.ts";

/** One line of a chart: a value for each time of the chart's axis, null where there is none. */
export interface Line {
  readonly label: string;
  readonly unit: string;
  readonly values: readonly (number | null)[];
}

export interface Chart {
  /** Seconds since 1970, as uPlot takes them. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  /** How many lines are left out because there is no room. */
  readonly hidden: number;
}

export interface Answered {
  readonly metric: Metric;
  readonly series: readonly Series[];
}

/** A pipeline that has just begun gets an axis of this many steps, not one of nothing. */
const FEWEST = 10;

/**
 * All series of some metrics on one axis, which begins where there is something. Of more series
 * than `room` those with the greatest sums.
 */
export function chart(answers: readonly Answered[], room: number): Chart {
  const points = answers.flatMap(({ series }) => series.flatMap((one) => one.points));
  const all = [...new Set(points.map(([at]) => at))].sort((a, b) => a - b);
  const some = points.filter(([, value]) => value).map(([at]) => at);
  const first = Math.min(all.indexOf(Math.min(...some)) - 1, all.length - FEWEST);
  const times = all.slice(Math.max(0, first));
  const index = new Map(times.map((at, i) => [at, i]));
  const lines = answers.flatMap(({ metric, series }) =>
    series.map((one) => {
      const values = new Array<number | null>(times.length).fill(null);
      for (const [at, value] of one.points) {
        const place = index.get(at);
        if (place !== undefined) values[place] = value;
      }
      const label = name(one.labels, metric, answers.length > 1);
      return { label, unit: metric.unit, values };
    }),
  );
  const greatest = lines.length > room ? lines.toSorted((a, b) => sum(b) - sum(a)) : lines;
  const kept = new Set(greatest.slice(0, room));
  return {
    times: times.map((at) => at / 1000),
    lines: lines.filter((line) => kept.has(line)),
    hidden: lines.length - kept.size,
  };
}

/** What a legend calls a series: its labels' values, a quantile as p95, else its metric. */
export function name(labels: Labels, metric: Metric, several: boolean): string {
  const parts = Object.entries(labels).map(([dimension, value]) =>
    dimension === "quantile" ? quantile(value) : value || "(none)",
  );
  if (several || parts.length === 0) parts.unshift(words(metric.name));
  return parts.join(" ");
}

/** `0.95` as `p95`. */
export function quantile(level: string): string {
  return `p${percent(Number(level)).replace("%", "")}`;
}

/**
 * The values in two parts: steps that are over, and the way from the last of them to the step that
 * still fills, which is drawn dashed because its value is not the last word.
 */
export function parts(
  chart: Chart,
  line: Line,
  stepS: number,
  nowS: number,
): [(number | null)[], (number | null)[]] {
  const open = chart.times.map((at) => at + stepS > nowS);
  const over = line.values.map((value, i) => (open[i] ? null : value));
  const filling = line.values.map((value, i) => (open[i] || open[i + 1] ? value : null));
  return [over, filling];
}

/** The newest value, and the newest of a step that is over. */
export function newest(
  chart: Chart,
  line: Line,
  stepS: number,
  nowS: number,
): { now: number | null; full: number | null } {
  let now: number | null = null;
  let full: number | null = null;
  chart.times.forEach((at, i) => {
    const value = line.values[i] ?? null;
    if (at + stepS > nowS) now = value;
    else full = value;
  });
  return { now, full };
}

function sum(line: Line): number {
  return line.values.reduce<number>((total, value) => total + (value ?? 0), 0);
}
