import type { Client } from "../api/client.ts";
import type { Metric, Panel } from "../api/types.ts";
import { fill, h } from "../ui/dom.ts";

/** What a panel is made from. */
export interface Setting {
  readonly client: Client;
  readonly panel: Panel;
  /** The metrics it names, as the API describes them. */
  readonly metrics: readonly Metric[];
}

/** Something that shows a panel's values and can fetch newer ones. */
export interface View {
  readonly body: HTMLElement;
  refresh(): Promise<void>;
}

/** The frame of a panel: title, body, and what went wrong with the last refresh. */
export class Frame {
  readonly element: HTMLElement;
  readonly #note = h("p", { class: "note", role: "status" });

  constructor(
    readonly panel: Panel,
    hint: string,
    private readonly view: View,
  ) {
    const id = `panel-${panel.name}`;
    this.element = h(
      "article",
      { class: `panel ${panel.show}`, "aria-labelledby": id },
      h(
        "header",
        {},
        h("h3", { id }, panel.title),
        h("span", { class: "hint" }, hint),
      ),
      view.body,
      this.#note,
    );
  }

  /** Fetch and show; an error is said in the panel, which keeps its last values. */
  async refresh(): Promise<void> {
    try {
      await this.view.refresh();
      if (this.#note.textContent) fill(this.#note);
    } catch (error) {
      // A lost server is the whole page's affair (see the stream); here only answers are told.
      if (error instanceof TypeError) return;
      fill(this.#note, error instanceof Error ? error.message : String(error));
    }
  }
}

/** A query string without what is null. */
export function query(parameters: Readonly<Record<string, string | number | null>>): string {
  const entries = Object.entries(parameters).filter(([, value]) => value !== null);
  return new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString();
}

export const QUIET = "Nothing in this time yet.";
