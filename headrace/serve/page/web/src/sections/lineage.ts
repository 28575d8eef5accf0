import type { Catalog, Declared } from "../api/types.ts";
import type { Node } from "../graph/layout.ts";

const KINDS = [
  ["topic", "topics"],
  ["agent", "agents"],
  ["table", "tables"],
  ["keyspace", "keyspaces"],
  ["view", "views"],
] as const;

/** What stands in the catalogue's lineage, as nodes whose ids are those of its edges. */
export function nodes(catalog: Catalog): Node[] {
  const joined = new Set(catalog.lineage.flat());
  return KINDS.flatMap(([kind, list]) =>
    catalog[list].map(({ name }) => ({ id: `${kind}:${name}`, kind, name })),
  ).filter((node) => joined.has(node.id));
}

/** What the topology declares of a node. */
export function declared(catalog: Catalog, node: Node): Declared | undefined {
  const list = KINDS.find(([kind]) => kind === node.kind)?.[1];
  return list && catalog[list].find(({ name }) => name === node.name);
}

/** Names of what feeds a node, or of what it feeds. */
export function neighbours(catalog: Catalog, node: Node, side: "from" | "to"): string[] {
  const [mine, theirs] = side === "from" ? [1, 0] : [0, 1];
  return catalog.lineage
    .filter((edge) => edge[mine] === node.id)
    .map((edge) => edge[theirs]!.replace(/^[a-z]+:/, ""));
}
