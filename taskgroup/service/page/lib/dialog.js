// Questions that have to be answered before anything else happens.

import { refusal, token, whenRefused } from "./api.js";
import { field, h, newId } from "./dom.js";
import { faultBox } from "./notice.js";

/**
 * Ask; resolves to true where it was done, to false where the user thought better of it.
 *
 * `act` is called when the user agrees; while it fails, the dialog stays open and shows why.
 */
export function ask({ title, body = [], yes, no = "Cancel", danger = false, act = async () => {} }) {
  return new Promise((resolve) => {
    const heading = newId("dialog");
    const faults = h("div");
    const agree = h("button", { type: "submit", class: danger ? "danger" : "primary" }, yes);
    const form = h("form", { method: "dialog", novalidate: true },
      h("h2", { id: heading }, title), body, faults,
      h("div", { class: "actions" }, h("button", { type: "button", onclick: () => dialog.close() }, no), agree));
    const closed = () => finish(dialog.returnValue === "done");
    const dialog = h("dialog", { "aria-labelledby": heading, onclose: closed }, form);
    const finish = (answer) => {
      dialog.remove();
      resolve(answer);
    };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      agree.disabled = true;
      try {
        await act();
        dialog.close("done");
      } catch (fault) {
        faults.replaceChildren(faultBox(fault));
        agree.disabled = false;
      }
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

let asking = null;

/** Ask for the server's token, once at a time; it is forgotten when the tab is closed. */
export function askToken(refused = false) {
  asking ??= openTokenDialog(refused).finally(() => { asking = null; });
  return asking;
}

function openTokenDialog(refused) {
  const input = h("input", { type: "password", value: token.get(), autocomplete: "off", spellcheck: "false" });
  const why = refused ? refusal() + (token.get() ? " Give another." : "")
    : "Only needed where the server was started with --token-file.";
  const hint = "Kept until this tab is closed. Empty the field to forget it.";
  const body = [h("p", {}, why), field("Token", input, hint)];
  return ask({ title: "Token", body, yes: "Use it", act: async () => token.set(input.value.trim()) });
}

/** Let every refused request ask for the token. */
export function guardRequests() {
  whenRefused(() => askToken(true));
}
