import { byId, fill, h, put } from "../ui/dom.ts";
import { time } from "../ui/format.ts";

/** Whether the page hears from the server, and since when it does not. */
export class Connection {
  readonly #text = byId("connection").querySelector("span")!;
  #lostAt: Date | null = null;
  #countdown = 0;

  heard(at: number): void {
    if (this.#lostAt) fill(byId("banner"));
    this.#lostAt = null;
    clearInterval(this.#countdown);
    document.body.dataset.connection = "live";
    put(this.#text, `Live, ${time(at)}`);
  }

  /** Says since when, why, and counts down to the next attempt. */
  lost(error: unknown, retryMs: number): void {
    this.#lostAt ??= new Date();
    const since = time(this.#lostAt);
    document.body.dataset.connection = "lost";
    put(this.#text, `Disconnected since ${since}`);
    const left = h("span");
    const reason = error instanceof Error ? error.message : String(error);
    fill(
      byId("banner"),
      h("strong", {}, `Disconnected since ${since}. `),
      "What is shown is from then. ",
      left,
      h("small", {}, reason),
    );
    const until = Date.now() + retryMs;
    const tick = () => {
      const seconds = Math.max(0, Math.round((until - Date.now()) / 1000));
      put(left, seconds ? `Trying again in ${seconds} s.` : "Trying again.");
    };
    clearInterval(this.#countdown);
    this.#countdown = setInterval(tick, 1000);
    tick();
  }
}
