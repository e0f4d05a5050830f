// The frame: who may come in, which view is shown, and what stands beside it.

import { enter, get, isEntering, setToken, whenLockedOut } from "./api.js";
import { chatView } from "./chat.js";
import { conversationList } from "./conversations.js";
import { announce, freshId, h, problem } from "./dom.js";
import { pairsView } from "./pairs.js";
import { personaView } from "./persona.js";
import { privacyView } from "./privacy.js";
import { settingsView } from "./settings.js";
import { refresh, rest, watch } from "./standing.js";

const VIEWS = { chat: chatView, persona: personaView, pairs: pairsView, privacy: privacyView, settings: settingsView };
const main = document.getElementById("main");
const frame = document.getElementById("frame");
const door = document.getElementById("door");
const list = conversationList(document.getElementById("conversations"));
let turn = 0;
let leave = () => {};

/** What a view may do to the frame. */
const shell = {
  /** Reads the list of conversations anew, and marks the one that is open. */
  listConversations: (open) => list.read(open),
  /** The address of what is shown has changed, the view has not. */
  rename(address, title) {
    history.replaceState(null, "", address);
    document.title = `${title} · Tacit`;
  },
  go(address) {
    if (location.hash === address) show();
    else location.hash = address;
  },
  /** The vault is gone: nothing more can be done here. */
  end(parts) {
    rest();
    leave();
    frame.hidden = true;
    document.title = "Forgotten · Tacit";
    const heading = h("h1", { tabindex: "-1" }, "Everything is forgotten");
    door.replaceChildren(h("main", { class: "alone" }, heading, ...parts));
    heading.focus();
  },
};

async function show(keepsFocus = false) {
  const [place = "chat", ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const view = VIEWS[place] ?? chatView;
  turn += 1;
  const mine = turn;
  leave();
  leave = () => {};
  for (const link of document.querySelectorAll("[data-place]")) {
    if (link.dataset.place === place) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.place = place;
  main.setAttribute("aria-busy", "true");
  let shown;
  try {
    shown = await view(rest.filter(Boolean), shell);
  } catch (error) {
    if (error.status === 401) return;
    shown = { title: "Something went wrong", node: h("div", { class: "page" }, h("h1", {}, "Something went wrong"), problem(error)) };
  }
  if (mine !== turn) {
    shown.leave?.();
    return;
  }
  leave = shown.leave ?? (() => {});
  document.title = `${shown.title} · Tacit`;
  main.replaceChildren(shown.node);
  main.removeAttribute("aria-busy");
  main.scrollTop = 0;
  shown.begin?.();
  if (keepsFocus) return;
  const heading = main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  (shown.focus ?? heading ?? main).focus({ preventScroll: true });
}

function askForToken() {
  const field = h("input", { id: freshId("token"), type: "password", autocomplete: "off", required: true });
  const trouble = h("div");
  const form = h(
    "form",
    { class: "card", "aria-label": "Open the page" },
    h("h1", { text: "Tacit" }),
    h("p", { text: "This page needs your token. “tacit serve --open” opens the page with a code that is good once, for a minute. The token itself stands in the file serve.token of your profile, and “tacit serve --show-token” prints it: paste it here." }),
    h("p", {}, h("label", { for: field.id, text: "Token" }), field),
    trouble,
    h("button", { type: "submit", class: "main" }, "Open"),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    setToken(field.value.trim());
    try {
      await get("/api/status");
    } catch (error) {
      const said = error.status === 401 ? new Error("This token does not fit. Is it complete?") : error;
      trouble.replaceChildren(problem(said));
      return;
    }
    door.replaceChildren();
    open();
  });
  frame.hidden = true;
  if (!door.querySelector("form")) {
    door.replaceChildren(h("main", { class: "alone" }, form));
    field.focus();
  }
}

function stand(state) {
  const learned = state.assistant.is_tuned ? `has learned from ${state.assistant.learned}` : "has not learned yet";
  const learning = state.learning.running ? `learning: ${state.learning.stage}` : learned;
  const parts = [h("strong", { text: state.model }), ` ${learning}`];
  if (state.taking_part !== "on") parts.push(state.taking_part === "left" ? " · has left" : " · paused");
  document.getElementById("standing").replaceChildren(...parts);
}

async function open() {
  try {
    await refresh();
  } catch (error) {
    if (error.status !== 401) door.replaceChildren(h("main", { class: "alone" }, h("h1", { text: "Tacit" }), problem(error)));
    return;
  }
  frame.hidden = false;
  list.read();
  await show();
}

let wasLearning = null;
watch((state) => {
  stand(state);
  if (wasLearning && !state.learning.running) announce(state.learning.error ?? "Tacit has finished learning.");
  wasLearning = state.learning.running;
});
whenLockedOut(askForToken);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  main.focus();
});
window.addEventListener("hashchange", () => {
  if (isEntering()) begin();
  else if (!frame.hidden) show();
});
async function begin() {
  if (await enter()) open();
  else askForToken();
}
begin();
