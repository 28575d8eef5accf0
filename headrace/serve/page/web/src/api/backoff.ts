const FIRST_MS = 500;
const LAST_MS = 15_000;

/** How long to wait before attempt `n` (from 0): doubling, capped, with up to a fifth of jitter. */
export function delay(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return full * (1 - random() / 5);
}
