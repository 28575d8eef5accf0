import type { Client } from "../api/client.ts";
import { byId, fill, h, put } from "../ui/dom.ts";

/** Asks for a bearer token when the API wants one; this tab keeps it, and no longer than it lives. */
export function install(client: Client): void {
  const dialog = byId("token") as HTMLDialogElement;
  const input = h("input", {
    id: "token-value",
    type: "password",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
  });
  const why = h("p", { class: "error", role: "status" });
  let done: () => void = () => undefined;
  const submit = (event: Event) => {
    event.preventDefault();
    client.useToken(input.value.trim());
    input.value = "";
    dialog.close();
    done();
  };
  fill(
    dialog,
    h("h2", { id: "token-title" }, "This server asks for a token"),
    h(
      "p",
      {},
      "Paste a bearer token; for development ",
      h("code", {}, "headrace token"),
      " makes one. It is kept in this tab only.",
    ),
    why,
    h(
      "form",
      { submit },
      h("label", { for: input.id }, "Token"),
      h("span", {}, input, h("button", { type: "submit" }, "Go on")),
    ),
  );
  // Without a token there is nothing to see behind the dialog.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  client.onUnauthorized = (detail) => {
    put(why, detail);
    dialog.showModal();
    return new Promise((resolve) => {
      done = resolve;
    });
  };
}
