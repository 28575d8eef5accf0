import type { Client } from "../api/client.ts";
import type { Catalog, Pipeline } from "../api/types.ts";
import { Picture, type Reading } from "../graph/picture.ts";
import type { Node } from "../graph/layout.ts";
import { byId, fill } from "../ui/dom.ts";
import { short } from "../ui/format.ts";
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
    const drawn = nodes(catalog);
    this.#picture = new Picture(drawn, catalog.lineage, (node) => this.#choose(node));
    fill(byId("graph"), this.#picture.element);
    this.#choose(drawn.find((node) => node.kind === "agent") ?? null);
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

/** Topics and agents say their rate and lag; what leaves a topic and reaches a table, the edges. */
function reading(now: Pipeline, node: Node): Reading {
  const topic = node.kind === "topic" ? now.topics[node.name] : undefined;
  if (topic) return { text: status(topic.in_per_s, topic.lag), flow: topic.out_per_s };
  const agent = node.kind === "agent" ? now.agents[node.name] : undefined;
  if (agent) {
    const wrong = agent.last_errors.length > 0;
    return { text: status(agent.events_per_s, agent.lag), flow: null, wrong };
  }
  const table = node.kind === "table" ? now.tables[node.name] : undefined;
  return { text: node.kind, flow: table?.rows_per_s ?? null };
}

function status(rate: number, lag: number): string {
  return lag ? `${short(rate)}/s, lag ${short(lag)}` : `${short(rate)}/s`;
}
