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
  const { block, rows, buckets, keys, sample } = trace;
  const parts = [
    h("p", {}, trace.summary),
    h(
      "dl",
      {},
      h("dt", {}, "Position"),
      h("dd", {}, `${trace.topic}, partition ${trace.partition}, offset ${trace.offset}`),
      h("dt", {}, "Block"),
      h("dd", {}, block ? `offsets ${block.first} to ${block.last}` : "not applied yet"),
    ),
    steps(trace),
    section(
      "Rows",
      rows.map((row) => h("details", {}, h("summary", {}, row.table), json(row.columns))),
    ),
    section("Counted in", listed(["View", "Row"], buckets.map((one) => [one.view, Object.values(one.key).join(", ")]))),
    section("Keys", listed(["Keyspace", "Key"], keys.map((one) => [one.keyspace, one.key]))),
    section("Event", sample ? [json(sample)] : []),
  ];
  return parts.filter((node) => node !== null);
}

function listed(columns: string[], rows: string[][]): Node[] {
  return rows.length ? [table(columns, rows, columns.join(" and "))] : [];
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

function section(title: string, body: readonly Node[]): HTMLElement | null {
  return body.length ? h("section", {}, h("h4", {}, title), ...body) : null;
}
