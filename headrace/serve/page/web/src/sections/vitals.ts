import type { Pipeline, TopicState } from "../api/types.ts";
import { byId, datum, fill, h } from "../ui/dom.ts";
import { bytes, count, duration, NOTHING, percent, short } from "../ui/format.ts";
import { Spark } from "../ui/spark.ts";

interface Vital {
  readonly value: number | null;
  readonly text: string;
  readonly note: string;
}

type Read = (now: Pipeline) => Vital;

const FIXED: readonly (readonly [id: string, label: string, read: Read])[] = [
  ["in", "Events in", (now) => rate(now, "in_per_s", "to the topics")],
  ["out", "Events out", (now) => rate(now, "out_per_s", "applied to all sinks")],
  ["lag", "Lag", lag],
  ["dead", "Dead letters", dead],
  ["workers", "Workers", workers],
];

/** The numbers that say how the pipeline is, each with its last minute. */
export class Vitals {
  readonly #cells = new Map<string, { value: HTMLElement; note: HTMLElement; spark: Spark }>();

  show(now: Pipeline): void {
    const [first, second, third, ...rest] = FIXED;
    const sinks = Object.keys(now.sinks).map(
      (sink) => [`fresh-${sink}`, `Visible in ${sink}, p95`, (p: Pipeline) => freshness(p, sink)] as const,
    );
    for (const [id, label, read] of [first!, second!, third!, ...sinks, ...rest]) {
      const cell = this.#cells.get(id) ?? this.#add(id, label);
      const vital = read(now);
      fill(cell.value, datum(vital.value, vital.text));
      fill(cell.note, vital.note);
      cell.spark.add(vital.value ?? 0);
    }
  }

  #add(id: string, label: string) {
    if (!this.#cells.size) fill(byId("vitals"));
    const cell = { value: h("p", { class: "value" }), note: h("p", { class: "note" }), spark: new Spark() };
    byId("vitals").append(
      h(
        "div",
        { class: "vital", id: `vital-${id}` },
        h("h2", {}, label),
        cell.value,
        cell.spark.element,
        cell.note,
      ),
    );
    this.#cells.set(id, cell);
    return cell;
  }
}

function rate(now: Pipeline, of: "in_per_s" | "out_per_s", note: string): Vital {
  const value = total(now, (topic) => topic[of]);
  return { value, text: `${short(value)}/s`, note };
}

function lag(now: Pipeline): Vital {
  const value = total(now, (topic) => topic.lag);
  const most = Object.entries(now.topics).toSorted((a, b) => b[1].lag - a[1].lag)[0];
  return {
    value,
    text: count(value),
    note: most && most[1].lag > 0 ? `most in ${most[0]}` : "nothing waits",
  };
}

function freshness(now: Pipeline, sink: string): Vital {
  const { p50, p95, p99 } = now.sinks[sink]?.freshness_ms ?? {};
  if (p95 === null || p95 === undefined) return { value: null, text: NOTHING, note: "no events lately" };
  return {
    value: p95,
    text: duration(p95),
    note: `p50 ${duration(p50 ?? 0)}, p99 ${duration(p99 ?? 0)}`,
  };
}

function dead(now: Pipeline): Vital {
  const value = now.dead_letters.reduce((sum, one) => sum + one.count, 0);
  return { value, text: count(value), note: `${percent(now.dead_letter_ratio)} of the last records` };
}

function workers(now: Pipeline): Vital {
  const rss = now.workers.reduce((sum, worker) => sum + worker.rss_bytes, 0);
  return { value: now.workers.length, text: count(now.workers.length), note: `${bytes(rss)} of memory` };
}

function total(now: Pipeline, of: (topic: TopicState) => number): number {
  return Object.values(now.topics).reduce((sum, topic) => sum + of(topic), 0);
}
