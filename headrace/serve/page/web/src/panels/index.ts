import type { Client } from "../api/client.ts";
import type { Metric, Panel } from "../api/types.ts";
import { Breakdown } from "./breakdown.ts";
import { Funnel } from "./funnel.ts";
import { Lines, unitHint } from "./lines.ts";
import { Frame, type Setting, type View } from "./panel.ts";
import { Ranking } from "./ranking.ts";
import { Top } from "./top.ts";

const VIEWS: Record<Panel["show"], new (setting: Setting) => View> = {
  lines: Lines,
  bars: Lines,
  top: Top,
  table: Breakdown,
  funnel: Funnel,
  ranking: Ranking,
};

/** The declared panels, ready to be shown. */
export function frames(
  client: Client,
  panels: readonly Panel[],
  metrics: readonly Metric[],
): Frame[] {
  const byName = new Map(metrics.map((metric) => [metric.name, metric]));
  return panels.map((panel) => {
    const named = panel.metrics.map((name) => byName.get(name)).filter((m) => m !== undefined);
    const setting = { client, panel, metrics: named };
    return new Frame(panel, hint(setting), new VIEWS[panel.show](setting));
  });
}

function hint(setting: Setting): string {
  const { panel } = setting;
  if (panel.show === "ranking") return "";
  return [unitHint(setting), `last ${panel.last}`].filter(Boolean).join(", ");
}
