import type { Pipeline } from "../api/types.ts";
import { byId, fill, h } from "../ui/dom.ts";

let shown = "";

/** What is wrong and what to do about it; what to run while there are no events. */
export function showHealth(now: Pipeline): void {
  const cards = [
    ...now.health.problems.map(({ what, why, to_do }) => card("bad", what, why, to_do)),
    ...(isEmpty(now) ? [noEvents(now)] : []),
  ];
  // A live region is only touched when it has something new to say.
  const text = cards.map((one) => one.textContent).join("\n");
  if (text !== shown) fill(byId("health"), ...cards);
  shown = text;
}

/** Whether no topic has ever held a record. */
export function isEmpty(now: Pipeline): boolean {
  const partitions = Object.values(now.topics).flatMap((topic) => topic.partitions);
  return partitions.length > 0 && partitions.every((partition) => partition.end === 0);
}

function noEvents(now: Pipeline): HTMLElement {
  const topic = Object.keys(now.topics)[0] ?? "TOPIC";
  return card(
    "hint",
    "No events yet",
    "All topics are empty.",
    `'headrace load' sends generated events; 'headrace produce ${topic}' sends your own.`,
  );
}

function card(kind: string, what: string, why: string, toDo: string): HTMLElement {
  return h("div", { class: `card ${kind}` }, h("strong", {}, what), h("p", {}, why), h("p", {}, ...coded(toDo)));
}

/** Text in which 'quoted commands' are set as code. */
function coded(text: string): (Node | string)[] {
  return text.split(/'(headrace [^']+)'/).map((part, i) => (i % 2 ? h("code", {}, part) : part));
}
