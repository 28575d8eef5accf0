import type { Client } from "../api/client.ts";
import type { Entity, Held, Pair } from "../api/types.ts";
import { byId, h, table } from "../ui/dom.ts";
import { short, words } from "../ui/format.ts";
import { json } from "../ui/json.ts";
import { lookup } from "./lookup.ts";

const SHOWN = 12;

/** What the features know of one person, by id. */
export function install(client: Client): void {
  lookup(byId("person"), {
    title: "A person's features",
    label: "Id of the person",
    fetch: async (id) => {
      const { keyspaces } = await client.get<Entity>(`/v1/features/${encodeURIComponent(id)}`);
      const kept = Object.entries(keyspaces).filter(([, held]) => size(held));
      if (!kept.length) return [h("p", { class: "quiet" }, `Nothing is kept of ${id}.`)];
      return kept.map(([keyspace, held]) => block(keyspace, held));
    },
  });
}

function block(keyspace: string, held: Held): HTMLElement {
  return h("section", {}, h("h4", {}, keyspace), isPairs(held) ? members(held) : fields(held));
}

function members(pairs: readonly Pair[]): HTMLElement {
  const best = pairs.toSorted((a, b) => b[1] - a[1]);
  const rows = best.slice(0, SHOWN).map(([member, score]) => [member, short(score)]);
  const more = pairs.length - rows.length;
  return h(
    "div",
    {},
    table(["Member", "#Score"], rows, "Members by score"),
    more > 0 && h("p", { class: "quiet" }, `and ${more} more`),
  );
}

function fields(held: Readonly<Record<string, unknown>>): HTMLElement {
  return h(
    "dl",
    {},
    ...Object.entries(held).flatMap(([name, value]) => [
      h("dt", {}, words(name)),
      h("dd", {}, typeof value === "object" && value !== null ? json(value) : String(value)),
    ]),
  );
}

function size(held: Held): number {
  return isPairs(held) ? held.length : Object.keys(held).length;
}

function isPairs(held: Held): held is readonly Pair[] {
  return Array.isArray(held);
}
