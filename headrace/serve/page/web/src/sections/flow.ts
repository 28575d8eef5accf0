import type { Client } from "../api/client.ts";
import type { Catalog, Pipeline } from "../api/types.ts";
import { Picture, type Reading } from "../graph/picture.ts";
import type { Node } from "../graph/layout.ts";
import { byId, fill } from "../ui/dom.ts";
import { Inspector } from "./inspector.ts";
import { nodes } from "./lineage.ts";

/** The drawn topology with live rates, and beside it what is chosen in it. */
export class Flow {
  readonly #picture: Picture;
  readonly #inspector: Inspector;
  #chosen: Node | null = null;
  #now: Pipeline | null = null;

  constructor(client: Client, catalog: Catalog) {
    this.#inspector = new Inspector(client, catalog, byId("inspector"), () => this.#choose(null));
    this.#picture = new Picture(nodes(catalog), catalog.lineage, (node) => this.#choose(node));
    fill(byId("graph"), this.#picture.element);
  }

  show(now: Pipeline): void {
    this.#now = now;
    this.#picture.update((node) => reading(now, node));
    this.#inspector.update(now);
  }

  #choose(node: Node | null): void {
    this.#chosen = node && node.id === this.#chosen?.id ? null : node;
    this.#picture.select(this.#chosen?.id ?? null);
    this.#inspector.open(this.#chosen, this.#now);
  }
}

function reading(now: Pipeline, node: Node): Reading {
  switch (node.kind) {
    case "topic": {
      const topic = now.topics[node.name];
      return topic ? { rate: topic.in_per_s, lag: topic.lag } : { rate: null };
    }
    case "agent": {
      const agent = now.agents[node.name];
      return agent
        ? { rate: agent.events_per_s, lag: agent.lag, wrong: agent.last_errors.length > 0 }
        : { rate: null };
    }
    case "table":
      return { rate: now.tables[node.name]?.rows_per_s ?? null };
    default:
      return { rate: null };
  }
}
