import { delay } from "./backoff.ts";
import { EventParser } from "./sse.ts";

/** A problem document (RFC 9457), or what stands for one. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

export interface StreamEvents<T> {
  data(answer: T): void;
  /** The connection is lost; the next attempt starts after so many milliseconds. */
  lost(error: unknown, retryMs: number): void;
}

const TOKEN = "headrace.token";
/** A stream that says nothing for so long is taken for dead. */
const SILENCE_MS = 10_000;

/** Asks the API of the server this page came from, with the token of this browser tab. */
export class Client {
  /** Called when the API wants a token, or another one; resolves when there is one. */
  onUnauthorized: (detail: string) => Promise<void> = () => Promise.resolve();
  #asking: Promise<void> | null = null;

  useToken(token: string): void {
    if (token) sessionStorage.setItem(TOKEN, token);
    else sessionStorage.removeItem(TOKEN);
  }

  /** The answer to a GET; asks for a token and tries again where the API wants one. */
  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    const answer = await this.#fetch(path, "application/json", signal);
    return (await answer.json()) as T;
  }

  /** Follows server-sent events for as long as the page lives; reconnects with backoff. */
  async follow<T>(path: string, events: StreamEvents<T>): Promise<never> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#read<T>(path, (answer) => {
          attempt = 0;
          events.data(answer);
        });
        throw new Error("the server ended the stream");
      } catch (error) {
        const wait = delay(attempt);
        events.lost(error, wait);
        await pause(wait);
      }
    }
  }

  async #read<T>(path: string, take: (answer: T) => void): Promise<void> {
    const abort = new AbortController();
    const silent = () => abort.abort(new Error("nothing was heard from the server"));
    let watchdog = setTimeout(silent, SILENCE_MS);
    try {
      const answer = await this.#fetch(path, "text/event-stream", abort.signal);
      const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watchdog);
        watchdog = setTimeout(silent, SILENCE_MS);
        for (const event of parser.push(value)) take(JSON.parse(event) as T);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  async #fetch(path: string, accept: string, signal?: AbortSignal): Promise<Response> {
    for (;;) {
      const headers = new Headers({ Accept: accept });
      const token = sessionStorage.getItem(TOKEN);
      if (token) headers.set("Authorization", `Bearer ${token}`);
      // no-cache: what the browser keeps is asked about (ETag), never taken unasked.
      const answer = await fetch(path, { headers, cache: "no-cache", signal: signal ?? null });
      if (answer.ok) return answer;
      const detail = await explain(answer);
      if (answer.status !== 401) throw new ApiError(answer.status, detail);
      if (sessionStorage.getItem(TOKEN) === token) await this.#ask(detail);
    }
  }

  /** One question for a token, however many requests wait for it. */
  async #ask(detail: string): Promise<void> {
    this.#asking ??= this.onUnauthorized(detail).finally(() => {
      this.#asking = null;
    });
    await this.#asking;
  }
}

async function explain(answer: Response): Promise<string> {
  const text = await answer.text();
  try {
    return (JSON.parse(text) as { detail?: string }).detail ?? answer.statusText;
  } catch {
    return text || answer.statusText;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    // A machine that comes back online, or a person who comes back to the tab, need not wait.
    addEventListener("online", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
