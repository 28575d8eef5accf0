import { Client } from "./api/client.ts";
import type { Catalog, Metric, Page, Pipeline } from "./api/types.ts";
import { frames } from "./panels/index.ts";
import { Connection } from "./sections/connection.ts";
import { Flow } from "./sections/flow.ts";
import { showHealth } from "./sections/health.ts";
import { showLetters } from "./sections/letters.ts";
import * as person from "./sections/person.ts";
import * as token from "./sections/token.ts";
import * as tracing from "./sections/tracing.ts";
import { Vitals } from "./sections/vitals.ts";
import { byId, fill, h, put } from "./ui/dom.ts";
import { poll } from "./ui/poll.ts";
import * as theme from "./ui/theme.ts";

/** Metrics are asked for so often; the server answers 304 where nothing is new. */
const EVERY_MS = 1_000;

const client = new Client();
const connection = new Connection();
const vitals = new Vitals();
let flow: Flow | null = null;

theme.install(byId("theme"));
token.install(client);
person.install(client);
tracing.install(client);

void client.follow<Pipeline>("/v1/pipeline/stream", {
  data(now) {
    connection.heard(now.at);
    showHealth(now);
    vitals.show(now);
    flow?.show(now);
    showLetters(now);
  },
  lost: (error, retryMs) => connection.lost(error, retryMs),
});
void section("graph", async () => {
  flow = new Flow(client, await client.get<Catalog>("/v1/catalog"));
});
void section("panels", showPanels);

async function showPanels(): Promise<void> {
  const [page, { metrics }] = await Promise.all([
    client.get<Page>("/v1/page"),
    client.get<{ metrics: Metric[] }>("/v1/metrics"),
  ]);
  put(byId("name"), page.name);
  document.title = page.name;
  const shown = frames(client, page.panels, metrics);
  if (!shown.length) {
    fill(
      byId("panels"),
      h("p", { class: "quiet" }, "The topology declares no panels: add some under 'serve: panels:'."),
    );
    return;
  }
  fill(byId("panels"), ...shown.map((frame) => frame.element));
  for (const frame of shown) poll(() => frame.refresh(), EVERY_MS);
}

/** Load a section; what fails is said in its place, with a button that tries again. */
async function section(id: string, load: () => Promise<void>): Promise<void> {
  try {
    await load();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const again = () => void section(id, load);
    fill(
      byId(id),
      h("p", { class: "error" }, why),
      h("button", { type: "button", click: again }, "Try again"),
    );
  }
}
