import assert from "node:assert/strict";
import { test } from "node:test";

import { chart, newest, parts } from "../src/panels/series.ts";

const METRIC = { name: "things", doc: "", unit: "", owner: "", dimensions: [], step_s: 60, kind: "sum" };
const series = (label: string, ...points: [number, number | null][]) => ({
  labels: { kind: label },
  points: points.map(([minute, value]) => [minute * 60_000, value] as const),
});

test("series with other times share one axis", () => {
  const found = chart([{ metric: METRIC, series: [series("a", [1, 5], [3, 7]), series("b", [2, 1])] }], 6);
  assert.deepEqual(found.times, [60, 120, 180]);
  assert.deepEqual(found.lines.map((line) => line.values), [[5, null, 7], [null, 1, null]]);
});

test("where there is no room the greatest stay, in their order", () => {
  const many = ["a", "b", "c"].map((name, i) => series(name, [1, [5, 1, 9][i]!]));
  const found = chart([{ metric: METRIC, series: many }], 2);
  assert.deepEqual(found.lines.map((line) => line.label), ["a", "c"]);
  assert.equal(found.hidden, 1);
});

test("the axis begins where there is something, but has ten steps", () => {
  const hour = (first: number) =>
    Array.from({ length: 60 }, (_, i): [number, number] => [i, i < first ? 0 : 5]);
  const steps = (first: number) =>
    chart([{ metric: METRIC, series: [series("a", ...hour(first))] }], 6).times.length;
  assert.deepEqual([0, 1, 20, 58, 60].map(steps), [60, 60, 41, 10, 60]);
});

test("a step that still fills is told apart from those that are over", () => {
  const found = chart([{ metric: METRIC, series: [series("a", [1, 5], [2, 6], [3, 1])] }], 6);
  const line = found.lines[0]!;
  const during = 3 * 60 + 20;
  assert.deepEqual(newest(found, line, 60, during), { now: 1, full: 6 });
  assert.deepEqual(parts(found, line, 60, during), [[5, 6, null], [null, 6, 1]]);
  assert.deepEqual(newest(found, line, 60, 5 * 60), { now: null, full: 1 });
});
