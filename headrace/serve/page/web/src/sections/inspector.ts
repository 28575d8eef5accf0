import type { Client } from "../api/client.ts";
import type { AgentState, Catalog, Pipeline, TopicState } from "../api/types.ts";
import type { Node } from "../graph/layout.ts";
import { datum, fill, h, table } from "../ui/dom.ts";
import { count, short, time } from "../ui/format.ts";
import { json } from "../ui/json.ts";
import { declared, neighbours } from "./lineage.ts";

const HINT = "Choose a topic, an agent or a store to see its input, output, lag, last errors and an event.";

/** What is known of the chosen node: what it is, its figures of now, its errors, a sample event. */
export class Inspector {
  readonly #live = h("div");
  #node: Node | null = null;

  constructor(
    private readonly client: Client,
    private readonly catalog: Catalog,
    private readonly place: HTMLElement,
    private readonly onClose: () => void,
  ) {
    this.open(null, null);
  }

  open(node: Node | null, now: Pipeline | null): void {
    this.#node = node;
    if (!node) {
      fill(this.place, h("p", { class: "quiet" }, HINT));
      return;
    }
    const known = declared(this.catalog, node);
    const schema = known?.schema && `${known.schema.subject}, version ${known.schema.version}`;
    fill(
      this.place,
      h(
        "header",
        {},
        h("h3", {}, node.name),
        h("span", { class: "hint" }, node.kind),
        h("button", { type: "button", class: "close", "aria-label": "Close", click: this.onClose }, "×"),
      ),
      known?.doc ? h("p", {}, known.doc) : null,
      this.#live,
      facts([
        ["Owner", known?.owner || known?.owners?.join(", ")],
        ["Schema", schema],
        [node.kind === "agent" ? "Reads" : "Filled by", neighbours(this.catalog, node, "from").join(", ")],
        [node.kind === "agent" ? "Writes" : "Read by", neighbours(this.catalog, node, "to").join(", ")],
      ]),
      this.#sample(node),
    );
    fill(this.#live);
    if (now) this.update(now);
  }

  /** The figures of now. */
  update(now: Pipeline): void {
    const node = this.#node;
    if (!node) return;
    const topic = now.topics[node.name];
    const agent = now.agents[node.name];
    if (node.kind === "topic" && topic) fill(this.#live, ...topicFigures(topic));
    else if (node.kind === "agent" && agent) fill(this.#live, ...agentFigures(agent, now));
    else if (node.kind === "table") {
      const rate = now.tables[node.name]?.rows_per_s;
      if (rate !== undefined) fill(this.#live, facts([["Rows in", `${short(rate)}/s`]]));
    }
  }

  #sample(node: Node): HTMLElement | null {
    const topics = node.kind === "agent" ? neighbours(this.catalog, node, "from") : [node.name];
    if (node.kind !== "topic" && node.kind !== "agent") return null;
    const shown = h("div", { "aria-live": "polite" });
    const buttons = topics.map((topic) =>
      h(
        "button",
        { type: "button", class: "plain", click: () => void this.#showSample(topic, shown) },
        node.kind === "agent" ? topic : "Show the newest event",
      ),
    );
    return h("section", { class: "sample" }, h("h4", {}, "Sample event"), h("p", {}, ...buttons), shown);
  }

  async #showSample(topic: string, shown: HTMLElement): Promise<void> {
    try {
      const path = `/v1/topics/${encodeURIComponent(topic)}/sample`;
      fill(shown, json(await this.client.get<unknown>(path)));
    } catch (error) {
      fill(shown, h("p", { class: "error" }, error instanceof Error ? error.message : String(error)));
    }
  }
}

function topicFigures(topic: TopicState): HTMLElement[] {
  const rows = topic.partitions.map((one) => [
    one.partition,
    count(one.end),
    one.committed === null ? "none" : count(one.committed),
    datum(one.lag, count(one.lag)),
  ]);
  return [
    facts([
      ["In", `${short(topic.in_per_s)}/s`],
      ["Out", `${short(topic.out_per_s)}/s`],
      ["Lag", count(topic.lag)],
    ]),
    table(["Partition", "#End", "#Committed", "#Lag"], rows, "Positions by partition"),
  ];
}

function agentFigures(agent: AgentState, now: Pipeline): HTMLElement[] {
  const rows = agent.writes.reduce((sum, name) => sum + (now.tables[name]?.rows_per_s ?? 0), 0);
  const errors = agent.last_errors.slice(0, 5).map((one) => [
    time(one.at),
    `${one.topic} ${one.partition}:${one.offset}`,
    `${one.step}: ${one.reason}`,
  ]);
  return [
    facts([
      ["In", `${short(agent.events_per_s)} events/s`],
      ["Out", rows ? `${short(rows)} rows/s` : "keys in Redis"],
      ["Lag", count(agent.lag)],
    ]),
    h("h4", {}, "Last errors"),
    errors.length
      ? h("div", { class: "scroll" }, table(["At", "Record", "Why"], errors, "Last errors"))
      : h("p", { class: "quiet" }, "None since the workers started."),
  ];
}

function facts(pairs: readonly (readonly [string, string | undefined])[]): HTMLElement {
  return h(
    "dl",
    {},
    ...pairs.flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : [])),
  );
}
