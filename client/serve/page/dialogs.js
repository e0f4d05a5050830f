// Questions that must be answered before anything happens. Escape means no; the focus goes back where it was.

import { button, freshId, h, problem } from "./dom.js";

/**
 * Asks; whether the answer was yes.
 * `says` are paragraphs; `word`, where given, has to be typed; `does` runs on yes, and what it throws is shown.
 */
export function ask({ title, says, yes, no = "Cancel", danger = false, word = null, does = async () => {} }) {
  const before = document.activeElement;
  return new Promise((resolve) => {
    const heading = freshId("title");
    const typed = word === null ? null : h("input", { id: freshId("word"), autocomplete: "off", spellcheck: "false" });
    const trouble = h("div");
    const accept = h("button", { type: "submit", class: danger ? "danger" : "main", disabled: word !== null }, yes);
    const form = h(
      "form",
      { method: "dialog", "aria-labelledby": heading },
      h("h2", { id: heading, text: title }),
      ...says.map((text) => h("p", { text })),
      typed && h("p", {}, h("label", { for: typed.id, text: `Type “${word}” to go on` }), typed),
      trouble,
      h("div", { class: "row end" }, button(no, () => dialog.close()), accept),
    );
    const dialog = h("dialog", { "aria-labelledby": heading }, form);
    let answer = false;
    typed?.addEventListener("input", () => {
      accept.disabled = typed.value.trim().toLowerCase() !== word;
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      accept.disabled = true;
      try {
        await does(typed?.value ?? "");
        answer = true;
        dialog.close();
      } catch (error) {
        trouble.replaceChildren(problem(error));
        accept.disabled = false;
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (typed ?? form.querySelector("button")).focus();
  });
}

/** Tells something that has to be read. */
export async function tell(title, says) {
  const before = document.activeElement;
  return new Promise((resolve) => {
    const heading = freshId("title");
    const close = h("button", { type: "submit", class: "main" }, "Close");
    const dialog = h(
      "dialog",
      { "aria-labelledby": heading },
      h(
        "form",
        { method: "dialog", "aria-labelledby": heading },
        h("h2", { id: heading, text: title }),
        ...says.filter(Boolean).map((said) => (typeof said === "string" ? h("p", { text: said }) : said)),
        h("div", { class: "row end" }, close),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
    close.focus();
  });
}
