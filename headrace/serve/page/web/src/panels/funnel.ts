import type { FunnelAnswer } from "../api/types.ts";
import { h } from "../ui/dom.ts";
import { count, percent, words } from "../ui/format.ts";
import { query, type Setting, type View } from "./panel.ts";
import { showBars } from "./top.ts";

/** Steps one after the other, each with its share of the first and of the step before. */
export class Funnel implements View {
  readonly body = h("ol", { class: "ranked" });

  constructor(private readonly setting: Setting) {}

  async refresh(): Promise<void> {
    const { client, panel } = this.setting;
    const path = `/v1/funnels/${panel.funnel}?${query({ last: panel.last })}`;
    const { steps } = await client.get<FunnelAnswer>(path);
    const some = steps.some((step) => step.value > 0);
    const rows = steps.map((step, i) => ({
      name: words(step.step),
      value: step.value,
      text: count(step.value),
      note: i === 0 ? "" : `${share(step.of_previous)} of the step before, ${share(step.of_first)} of all`,
    }));
    showBars(this.body, some ? rows : []);
  }
}

function share(value: number | null): string {
  return value === null ? "none" : percent(value);
}
