import { h } from "./dom.ts";

/** A value as indented JSON, to be read. */
export function json(value: unknown): HTMLElement {
  return h("pre", { tabindex: 0 }, JSON.stringify(value, null, 2));
}
