import type { Pipeline } from "../api/types.ts";
import { byId, datum, fill, h, table } from "../ui/dom.ts";
import { count } from "../ui/format.ts";

/** Records that were set aside, by reason; rules that did not hold. */
export function showLetters(now: Pipeline): void {
  const reasons = now.dead_letters.map((one) => [
    one.topic,
    one.step,
    one.reason,
    datum(one.count, count(one.count)),
  ]);
  fill(
    byId("reasons"),
    reasons.length
      ? scrolled("Dead letters by reason", ["Topic", "Step", "Reason", "#Count"], reasons)
      : h("p", { class: "quiet" }, "No record was set aside since the workers started."),
  );
  const rules = now.rules.map((one) => [one.topic, one.rule, datum(one.count, count(one.count))]);
  fill(
    byId("rules"),
    rules.length
      ? scrolled("Events that broke a rule", ["Topic", "Rule", "#Count"], rules)
      : h("p", { class: "quiet" }, "No event broke a rule since the workers started."),
  );
}

function scrolled(caption: string, columns: string[], rows: (Node | string)[][]): HTMLElement {
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    table(columns, rows, caption),
  );
}
