import type { Entity, Pair } from "../api/types.ts";
import { h } from "../ui/dom.ts";
import { short } from "../ui/format.ts";
import type { Setting, View } from "./panel.ts";
import { showBars } from "./top.ts";

/** The members of a sorted set with the greatest scores. */
export class Ranking implements View {
  readonly body = h("ol", { class: "ranked" });

  constructor(private readonly setting: Setting) {}

  async refresh(): Promise<void> {
    const { client, panel } = this.setting;
    const path = `/v1/views/${panel.view}/${encodeURIComponent(panel.id ?? "")}`;
    const { keyspaces } = await client.get<Entity>(path);
    const pairs = Object.values(keyspaces).find(Array.isArray) as readonly Pair[] | undefined;
    const best = (pairs ?? []).toSorted((a, b) => b[1] - a[1]).slice(0, panel.rows);
    showBars(
      this.body,
      best.map(([name, value]) => ({ name, value, text: short(value) })),
    );
  }
}
