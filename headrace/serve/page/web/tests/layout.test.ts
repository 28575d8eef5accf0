import assert from "node:assert/strict";
import { test } from "node:test";

import { layout, type Edge } from "../src/graph/layout.ts";

const SIZE = { boxWidth: 100, boxHeight: 20, gapX: 50, gapY: 10 };
const node = (id: string) => ({ id, name: id, kind: "topic" });
const place = (ids: string, edges: readonly Edge[]) =>
  layout([...ids].map(node), edges, SIZE).nodes;

test("a node stands right of all that feed it", () => {
  const edges: Edge[] = [["a", "b"], ["b", "c"], ["a", "c"], ["d", "c"]];
  const layer = new Map(place("abcd", edges).map((one) => [one.id, one.layer]));
  for (const [from, to] of edges) assert.ok(layer.get(from)! < layer.get(to)!, `${from} ${to}`);
});

test("crossing edges are untangled", () => {
  const placed = place("abcxyz", [["a", "z"], ["b", "y"], ["c", "x"]]);
  const y = Object.fromEntries(placed.map((one) => [one.id, one.y]));
  assert.equal(y["a"]! < y["b"]! && y["b"]! < y["c"]!, y["z"]! < y["y"]! && y["y"]! < y["x"]!);
});

test("boxes of a layer never overlap", () => {
  const edges = [..."bcdefg"].map((to): Edge => ["a", to]);
  const ys = place("abcdefg", edges).filter((one) => one.layer === 1).map((one) => one.y);
  ys.sort((a, b) => a - b);
  ys.slice(1).forEach((y, i) => assert.ok(y - ys[i]! >= SIZE.boxHeight));
});

test("a circle is refused, and nothing at all can be drawn", () => {
  assert.throws(() => place("ab", [["a", "b"], ["b", "a"]]), /circle through/);
  assert.deepEqual(place("", []), []);
});
