/** Runs `task` again and again, `everyMs` from start to start, while the page is visible. */
export function poll(task: () => Promise<void>, everyMs: number): void {
  let running = false;
  const turn = async () => {
    if (running || document.hidden) return;
    running = true;
    try {
      await task();
    } finally {
      running = false;
    }
  };
  setInterval(() => void turn(), everyMs);
  document.addEventListener("visibilitychange", () => void turn());
  void turn();
}
