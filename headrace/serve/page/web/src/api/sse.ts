/** The `data:` of server-sent events, from text that arrives in pieces of any size. */
export class EventParser {
  #rest = "";

  /** The events that are whole now. */
  push(piece: string): string[] {
    const text = (this.#rest + piece).replaceAll("\r\n", "\n");
    // A carriage return at the end may be the first half of a line's end.
    const blocks = text.split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.map(data).filter((event) => event !== null);
  }
}

function data(block: string): string | null {
  const lines = block
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).replace(/^ /, ""));
  return lines.length ? lines.join("\n") : null;
}
