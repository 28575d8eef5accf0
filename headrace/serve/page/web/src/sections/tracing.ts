import type { Client } from "../api/client.ts";
import type { Trace } from "../api/types.ts";
import { byId, h, table } from "../ui/dom.ts";
import { duration } from "../ui/format.ts";
import { json } from "../ui/json.ts";
import { lookup } from "./lookup.ts";

/** The path of one event: where it is in the log, what it became, and when. */
export function install(client: Client): (id: string) => void {
  return lookup(byId("trace"), {
    title: "The path of an event",
    label: "Id of the event",
    fetch: async (id) => show(await client.get<Trace>(`/v1/events/${encodeURIComponent(id)}/trace`)),
  });
}

function show(trace: Trace): Node[] {
  const block = trace.block ? `offsets ${trace.block.first} to ${trace.block.last}` : "not applied yet";
  return [
    h(
      "dl",
      {},
      h("dt", {}, "Position"),
      h("dd", {}, `${trace.topic}, partition ${trace.partition}, offset ${trace.offset}`),
      h("dt", {}, "Block"),
      h("dd", {}, block),
    ),
    steps(trace),
    section("Rows", trace.rows.length > 0, () => trace.rows.map((row) => h("details", {}, h("summary", {}, row.table), json(row.columns)))),
    section("Keys", trace.keys.length > 0, () => [
      table(["Keyspace", "Key"], trace.keys.map((key) => [key.keyspace, key.key]), "Keys in Redis"),
    ]),
    section("Event", trace.sample !== null, () => [json(trace.sample)]),
  ].filter((node) => node !== null);
}

/** Each step with the time since the first. */
function steps(trace: Trace): HTMLElement | null {
  if (!trace.times.length) return null;
  const times = trace.times
    .map(({ step, at }) => ({ step, at: new Date(at) }))
    .toSorted((a, b) => a.at.getTime() - b.at.getTime());
  const first = times[0]!.at.getTime();
  const rows = times.map(({ step, at }) => [
    step,
    at.toISOString().slice(11, 23),
    `+${duration(at.getTime() - first)}`,
  ]);
  return table(["Step", "#Time (UTC)", "#Since the first"], rows, "Times of the event");
}

function section(title: string, some: boolean, body: () => Node[]): HTMLElement | null {
  return some ? h("section", {}, h("h4", {}, title), ...body()) : null;
}
