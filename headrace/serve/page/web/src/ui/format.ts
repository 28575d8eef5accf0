/** Numbers for people. English forms whatever the browser's language: the page's text is English. */

const LOCALE = "en";
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 3 });
const compact = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium", hourCycle: "h23" });

export const NOTHING = "–";

/** All digits, grouped. */
export function count(value: number): string {
  return whole.format(value);
}

/** Three digits that matter: 0.25, 12.3, 1,234, 12.3K. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 100_000) return compact.format(value);
  return size >= 100 ? whole.format(value) : fine.format(value);
}

/** Milliseconds in the unit that fits: 0.4 ms, 250 ms, 1.2 s, 3 min, 2 h. */
export function duration(ms: number): string {
  const steps: readonly [number, number, string][] = [
    [1_000, 1, "ms"],
    [120_000, 1_000, "s"],
    [7_200_000, 60_000, "min"],
    [172_800_000, 3_600_000, "h"],
    [Infinity, 86_400_000, "d"],
  ];
  const [, divisor, unit] = steps.find(([limit]) => Math.abs(ms) < limit)!;
  return `${fine.format(ms / divisor)} ${unit}`;
}

export function percent(share: number): string {
  const size = Math.abs(share);
  const digits = size === 0 || size >= 0.1 ? 1 : 2;
  return new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: digits }).format(share);
}

export function bytes(value: number): string {
  return value >= 2 ** 30 ? `${fine.format(value / 2 ** 30)} GiB` : `${fine.format(value / 2 ** 20)} MiB`;
}

/** A value of a metric in its declared unit. */
export function quantity(value: number | null, unit: string): string {
  if (value === null) return NOTHING;
  switch (unit) {
    case "us":
      return duration(value / 1_000);
    case "ms":
      return duration(value);
    case "s":
      return duration(value * 1_000);
    case "bytes":
      return bytes(value);
    case "ratio":
      return percent(value);
    default:
      return short(value);
  }
}

/** Whether `quantity` says the unit by itself. */
export function saysUnit(unit: string): boolean {
  return ["us", "ms", "s", "bytes", "ratio"].includes(unit);
}

/** Local time of day. */
export function time(at: number | Date): string {
  return clock.format(at);
}

/** `page_view` as `Page view`. */
export function words(name: string): string {
  const text = name.replaceAll(/[_:.]+/g, " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}
