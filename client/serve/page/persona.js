// What Tacit believes of its user, where each belief comes from, and what they say to it.

import { get, post } from "./api.js";
import { announce, button, count, day, freshId, h, problem } from "./dom.js";

export async function personaView() {
  let persona = await get("/api/persona");
  const list = h("ul", { class: "cards" });
  const struck = h("section");
  const trouble = h("div");
  const field = h("input", { id: freshId("about-me"), maxlength: persona.most_characters, autocomplete: "off" });
  const form = h(
    "form",
    { class: "card", "aria-label": "About you" },
    h("label", { for: field.id, text: "Tell Tacit something about you" }),
    h("div", { class: "row" }, field, h("button", { type: "submit", class: "main" }, "Add")),
    h("p", { class: "quiet", text: "For example: “Prefers short answers.” It stands above anything that Tacit works out by itself." }),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) change("/api/persona/write", { text: field.value }, "Added.");
  });

  async function change(path, body, said) {
    const place = document.activeElement?.closest("li")?.dataset.number;
    try {
      persona = await post(path, body);
    } catch (error) {
      trouble.replaceChildren(problem(error));
      return;
    }
    trouble.replaceChildren();
    field.value = "";
    paint();
    announce(said);
    const next = place ? (list.children[place - 1] ?? list.lastElementChild)?.querySelector("button") : field;
    (next ?? field).focus();
  }

  function paint() {
    list.replaceChildren(...persona.statements.map((one) => statement(one, change)));
    if (!persona.statements.length) {
      list.append(
        h("li", { class: "empty" },
          h("p", { text: "Nothing yet." }),
          h("p", { class: "quiet", text: "Tacit reads this from your conversations when you let it learn, or you write it yourself." })),
      );
    }
    struck.replaceChildren(...(persona.struck.length ? struckOut(persona.struck, change) : []));
  }

  paint();
  return {
    title: "Persona",
    node: h(
      "div",
      { class: "page" },
      h("h1", { text: "What Tacit believes about you" }),
      h("p", { class: "lead", text: "These sentences are read before every reply, so that it suits you. They never leave this device. Health, religion, politics, sexuality, origin and contact data are left out on purpose." }),
      form,
      trouble,
      list,
      struck,
    ),
  };
}

function statement(one, change) {
  const which = { number: one.number, text: one.text };
  const isOwn = one.source === "user";
  const from = isOwn
    ? "You wrote this."
    : `${one.confidence} sure · said in ${count(one.evidence_count, "message")}${one.evidence[0]?.date ? ` · last on ${day(one.evidence[0].date)}` : ""}`;
  const name = freshId("statement");
  return h(
    "li",
    { class: "card", "data-number": one.number },
    h("p", { class: "strong", id: name, text: one.text }),
    h("p", { class: "quiet", text: one.locked && !isOwn ? `${from} · kept as it is` : from }),
    one.evidence.length > 0 && h("details", {}, h("summary", {}, "Where this comes from"), h("ul", { class: "evidence" }, ...one.evidence.map(evidence))),
    h(
      "div",
      { class: "row" },
      isOwn
        ? button("Remove", () => change("/api/persona/unlock", which, "Removed."), { "aria-describedby": name })
        : one.locked
          ? button("Let it change again", () => change("/api/persona/unlock", which, "It may change again."), { "aria-describedby": name })
          : button("Keep as it is", () => change("/api/persona/lock", which, "Kept as it is."), { "aria-describedby": name }),
      !isOwn && button("Not true: strike out", () => change("/api/persona/strike", which, "Struck out."), { class: "plain warns", "aria-describedby": name }),
    ),
  );
}

function evidence(found) {
  const quote = h("div");
  const show = button("Show what you said", async () => {
    try {
      const said = await get("/api/quote", { id: found.conversation, turn: found.turn });
      quote.replaceChildren(h("blockquote", { tabindex: "-1", text: said.content }));
    } catch (error) {
      quote.replaceChildren(problem(error));
    }
    show.remove();
    quote.firstElementChild.focus?.();
  });
  return h(
    "li",
    {},
    h("span", { class: "quiet", text: found.date ? `${day(found.date)}: ` : "" }),
    h("a", { href: `#/chat/${encodeURIComponent(found.conversation)}`, text: found.title }),
    " ",
    show,
    quote,
  );
}

function struckOut(texts, change) {
  return [
    h("h2", { text: "Struck out" }),
    h("p", { class: "quiet", text: "Tacit never says these of you again, nor anything like them." }),
    h(
      "ul",
      { class: "cards" },
      ...texts.map((text) => {
        const name = freshId("struck");
        return h(
          "li",
          { class: "card slim" },
          h("s", { id: name, text }),
          button("Allow again", () => change("/api/persona/unstrike", { text }, "Allowed again."), { "aria-describedby": name }),
        );
      }),
    ),
  ];
}
