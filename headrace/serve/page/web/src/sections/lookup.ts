import { fill, h } from "../ui/dom.ts";

interface Lookup {
  readonly title: string;
  readonly label: string;
  fetch(id: string): Promise<readonly Node[]>;
}

/** A field for an id, a button, and what is found. */
export function lookup(place: HTMLElement, { title, label, fetch }: Lookup): (id: string) => void {
  const input = h("input", {
    id: `${place.id}-id`,
    type: "text",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
  });
  const found = h("div", { class: "found", "aria-live": "polite" });
  let asked = 0;
  const ask = async (id: string) => {
    const mine = ++asked;
    input.value = id;
    fill(found, h("p", { class: "quiet" }, "Looking"));
    let answer: readonly Node[];
    try {
      answer = await fetch(id);
    } catch (error) {
      answer = [h("p", { class: "error" }, error instanceof Error ? error.message : String(error))];
    }
    if (mine === asked) fill(found, ...answer);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    const id = input.value.trim();
    if (id) void ask(id);
  };
  fill(
    place,
    h("h3", {}, title),
    h(
      "form",
      { submit },
      h("label", { for: input.id }, label),
      h("span", {}, input, h("button", { type: "submit" }, "Look up")),
    ),
    found,
  );
  return (id) => void ask(id);
}
