/** What the API answers (docs/api.md). Only what the page reads. */

export interface Labels {
  readonly [dimension: string]: string;
}

export interface Metric {
  readonly name: string;
  readonly doc: string;
  readonly unit: string;
  readonly owner: string;
  readonly dimensions: readonly string[];
  readonly step_s: number;
  readonly kind: string;
}

export interface Series {
  readonly labels: Labels;
  readonly points: readonly (readonly [number, number | null])[];
}

export interface SeriesAnswer {
  readonly metric: string;
  readonly unit: string;
  readonly step_s: number;
  readonly from: number;
  readonly to: number;
  readonly series: readonly Series[];
}

export interface TopAnswer {
  readonly rows: readonly { readonly labels: Labels; readonly value: number | null }[];
}

export interface FunnelAnswer {
  readonly steps: readonly {
    readonly step: string;
    readonly value: number;
    readonly of_first: number | null;
    readonly of_previous: number | null;
  }[];
}

export type Pair = readonly [string, number];
export type Held = Readonly<Record<string, unknown>> | readonly Pair[];

export interface Entity {
  readonly id: string;
  readonly keyspaces: Readonly<Record<string, Held>>;
}

export interface Partition {
  readonly partition: number;
  readonly end: number;
  readonly committed: number | null;
  readonly lag: number;
}

export interface TopicState {
  readonly in_per_s: number;
  readonly out_per_s: number;
  readonly lag: number;
  readonly partitions: readonly Partition[];
}

export interface AgentError {
  readonly at: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly step: string;
  readonly reason: string;
}

export interface AgentState {
  readonly events_per_s: number;
  readonly lag: number;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly last_errors: readonly AgentError[];
}

export interface SinkState {
  readonly freshness_ms: { readonly [quantile: string]: number | null };
  readonly seconds_per_s: number;
  readonly retries: number;
  readonly rows_per_s: number | null;
}

export interface HealthProblem {
  readonly what: string;
  readonly why: string;
  readonly to_do: string;
}

export interface Pipeline {
  readonly at: number;
  readonly workers: readonly {
    readonly id: string;
    readonly rss_bytes: number;
    readonly cpu_seconds: number;
    readonly uptime_s: number;
  }[];
  readonly topics: Readonly<Record<string, TopicState>>;
  readonly agents: Readonly<Record<string, AgentState>>;
  readonly sinks: Readonly<Record<string, SinkState>>;
  readonly tables: Readonly<Record<string, { readonly rows_per_s: number }>>;
  readonly dead_letters: readonly {
    readonly topic: string;
    readonly step: string;
    readonly reason: string;
    readonly count: number;
  }[];
  readonly dead_letter_ratio: number;
  readonly rules: readonly {
    readonly topic: string;
    readonly rule: string;
    readonly count: number;
  }[];
  readonly health: { readonly ok: boolean; readonly problems: readonly HealthProblem[] };
}

export interface Trace {
  readonly event_id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly summary: string;
  readonly block: { readonly first: number; readonly last: number } | null;
  readonly rows: readonly { readonly table: string; readonly columns: Record<string, unknown> }[];
  readonly buckets: readonly { readonly view: string; readonly key: Record<string, string> }[];
  readonly keys: readonly { readonly key: string; readonly keyspace: string }[];
  readonly times: readonly { readonly step: string; readonly at: number }[];
  readonly sample: unknown;
}

/** What the topology declares of one thing. */
export interface Declared {
  readonly name: string;
  readonly doc?: string;
  readonly owner?: string;
  readonly owners?: readonly string[];
  readonly schema?: { readonly subject: string; readonly version: number };
}

export interface Catalog {
  readonly topics: readonly Declared[];
  readonly agents: readonly Declared[];
  readonly tables: readonly Declared[];
  readonly views: readonly Declared[];
  readonly keyspaces: readonly Declared[];
  readonly lineage: readonly (readonly [from: string, to: string])[];
}

/** A panel as `serve: panels:` declares it (docs/page.md). */
export interface Panel {
  readonly name: string;
  readonly title: string;
  readonly show: "lines" | "bars" | "top" | "table" | "funnel" | "ranking";
  readonly metrics: readonly string[];
  readonly funnel: string | null;
  readonly view: string | null;
  readonly id: string | null;
  readonly by: string | null;
  readonly last: string;
  readonly rows: number;
}

export interface Page {
  readonly name: string;
  readonly panels: readonly Panel[];
}
