// What may be learned from, what answers, and forgetting everything.

import { dropToken, get, post } from "./api.js";
import { SOURCES } from "./consent.js";
import { ask } from "./dialogs.js";
import { announce, button, count, freshId, h, problem } from "./dom.js";
import { refresh } from "./standing.js";

export async function settingsView(_parts, shell) {
  const state = await refresh();
  const trouble = h("div");
  const rows = Object.entries(SOURCES).map(([source, { name, about }]) => {
    const box = h("input", { type: "checkbox", role: "switch", id: freshId("may"), "aria-describedby": freshId("about"), "data-source": source });
    box.checked = state.consents[source] === true;
    box.addEventListener("change", async () => {
      try {
        await post("/api/consents", { source, granted: box.checked });
        announce(box.checked ? "May be learned from." : "Is not learned from any more.");
        trouble.replaceChildren();
      } catch (error) {
        box.checked = !box.checked;
        trouble.replaceChildren(problem(error));
      }
      refresh().catch(() => {});
    });
    return h("li", { class: "switch" }, box, h("div", {}, h("label", { for: box.id, text: name }), h("p", { class: "quiet", id: box.getAttribute("aria-describedby"), text: about })));
  });
  return {
    title: "Settings",
    node: h(
      "div",
      { class: "page" },
      h("h1", { text: "Settings" }),
      h("section", { class: "card", "aria-label": "What Tacit may learn from" },
        h("h2", { text: "What Tacit may learn from" }),
        h("p", { text: "Nothing is used before you say so here. Switched off, nothing of it is used from the next time on that Tacit learns; to take out what it has learned already, forget the conversation or make it private." }),
        h("ul", { class: "switches" }, ...rows),
        trouble),
      h("section", { class: "card", "aria-label": "The assistant" },
        h("h2", { text: "The assistant" }),
        h("dl", {},
          ...pairOf("Model", state.model),
          ...pairOf("Learned with others", state.assistant.shared),
          ...pairOf("Learned here, from you", state.assistant.personal),
          ...pairOf("Kept", `${count(state.counts.chats, "chat")}, ${count(state.counts.imports, "imported conversation")}, ${count(state.counts.pairs, "pair")}`))),
      h("section", { class: "card", "aria-label": "This window" },
        h("h2", { text: "This window" }),
        h("p", { text: "The token for this page is kept as long as this tab. On a computer that others use, lock it when you go." }),
        button("Lock this window", () => {
          dropToken();
          location.reload();
        })),
      h("section", { class: "card last", "aria-label": "Forget everything" },
        h("h2", { text: "Forget everything" }),
        h("p", { text: "Destroys the key that everything is encrypted with: conversations, persona, pairs, votes, and what was learned. Nobody can read them again, not even you." }),
        button("Forget everything", () => forgetEverything(shell), { class: "danger" })),
    ),
  };
}

function pairOf(name, value) {
  return [h("dt", { text: name }), h("dd", { text: value })];
}

async function forgetEverything(shell) {
  const about = await get("/api/forget-everything");
  let found;
  const yes = await ask({
    title: "Forget everything?",
    says: [
      `${count(about.conversations, "conversation")} and ${count(about.pairs, "pair")} become unreadable, for good. Backups that you made have passphrases of their own and still open: destroy them yourself.`,
      `What cannot be undone: ${about.cannot_be_undone}`,
      "The list of what this device told servers stays, since it must never be told twice. Tacit stops afterwards.",
    ],
    yes: "Forget everything",
    danger: true,
    word: about.word,
    does: async (word) => {
      found = await post("/api/forget-everything", { word });
    },
  });
  if (!yes) return;
  dropToken();
  shell.end([
    h("p", { text: "The key is destroyed, and what it opened is noise. Tacit has stopped; you can close this window." }),
    h("p", {}, h("strong", { text: "What cannot be undone. " }), found.cannot_be_undone),
    found.kept.length > 0 && h("p", { class: "quiet", text: `Kept, without a word of yours: ${found.kept.join(", ")} (this device's keys and what it told servers).` }),
  ]);
}
