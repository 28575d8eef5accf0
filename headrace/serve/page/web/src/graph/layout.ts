/** Places the nodes of an acyclic graph in layers (Sugiyama, Tagawa, Toda 1981). */

import { grouped } from "../grouped.ts";

export interface Node {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
}

export type Edge = readonly [from: string, to: string];

export interface Placed extends Node {
  readonly layer: number;
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  readonly nodes: readonly Placed[];
  readonly width: number;
  readonly height: number;
}

export interface Size {
  readonly boxWidth: number;
  readonly boxHeight: number;
  readonly gapX: number;
  readonly gapY: number;
}

const SWEEPS = 4;

/** Layers from left to right by longest path; within one, few crossings and mid-aligned boxes. */
export function layout(nodes: readonly Node[], edges: readonly Edge[], size: Size): Layout {
  const layers = ordered(byLayer(nodes, edges), edges);
  const tallest = Math.max(1, ...layers.map((layer) => layer.length));
  const step = size.boxHeight + size.gapY;
  const height = tallest * step - size.gapY;
  const placed = layers.flatMap((layer, column) => {
    // Short layers spread out over the height, but never so far that they fall apart.
    const pitch = Math.min(height / layer.length, step * 2.2);
    const top = (height - pitch * (layer.length - 1) - size.boxHeight) / 2;
    return layer.map((node, row) => ({
      ...node,
      layer: column,
      x: column * (size.boxWidth + size.gapX),
      y: top + row * pitch,
    }));
  });
  const width = layers.length * (size.boxWidth + size.gapX) - size.gapX;
  return { nodes: placed, width, height };
}

/** A node's layer is the length of the longest path that leads to it. */
function byLayer(nodes: readonly Node[], edges: readonly Edge[]): Node[][] {
  const feeders = grouped(edges, ([, to]) => to);
  const depth = new Map<string, number>();
  const of = (id: string, path: ReadonlySet<string>): number => {
    const known = depth.get(id);
    if (known !== undefined) return known;
    if (path.has(id)) throw new Error(`the lineage has a circle through ${id}`);
    const through = new Set(path).add(id);
    const found = Math.max(
      0,
      ...(feeders.get(id) ?? []).map(([from]) => of(from, through) + 1),
    );
    depth.set(id, found);
    return found;
  };
  const layers: Node[][] = [];
  for (const node of nodes) (layers[of(node.id, new Set())] ??= []).push(node);
  return Array.from(layers, (layer) => layer ?? []);
}

/** Each layer sorted by the mean place of its neighbours, forth and back. */
function ordered(layers: readonly Node[][], edges: readonly Edge[]): Node[][] {
  const result = layers.map((layer) => [...layer]);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forth = sweep % 2 === 0;
    const near = grouped(edges, ([from, to]) => (forth ? to : from));
    const columns = forth ? result.keys() : [...result.keys()].reverse();
    for (const column of columns) {
      const beside = result[forth ? column - 1 : column + 1];
      if (!beside) continue;
      const rank = new Map(beside.map((node, i) => [node.id, (i + 0.5) / beside.length]));
      const mean = (node: Node, place: number) => {
        const ranks = (near.get(node.id) ?? [])
          .map(([from, to]) => rank.get(forth ? from : to))
          .filter((value) => value !== undefined);
        return ranks.length ? ranks.reduce((a, b) => a + b) / ranks.length : place;
      };
      const layer = result[column]!;
      const weighed = layer.map((node, i) => [mean(node, (i + 0.5) / layer.length), node] as const);
      result[column] = weighed.sort((a, b) => a[0] - b[0]).map(([, node]) => node);
    }
  }
  return result;
}
