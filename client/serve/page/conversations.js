// The conversations that are kept, newest first.

import { get } from "./api.js";
import { button, day, h, problem, unseen } from "./dom.js";

/** Fills `place`; returns what reads it anew. */
export function conversationList(place) {
  const items = h("ul");
  const more = h("div");
  const summary = h("summary", {}, "Conversations");
  const whole = h("details", {}, summary, items, more);
  const wide = matchMedia("(min-width: 800px)");
  const fold = () => {
    whole.open = wide.matches;
  };
  wide.addEventListener("change", fold);
  fold();
  place.append(h("a", { class: "new", href: "#/chat" }, "New chat"), whole);
  let open = null;
  let mine = 0;

  async function page(from) {
    const found = await get("/api/conversations", { from });
    return { found, nodes: found.conversations.map((one) => item(one, one.id === open)) };
  }

  async function read(current = open) {
    open = current;
    mine += 1;
    const turn = mine;
    try {
      const { found, nodes } = await page(0);
      if (turn !== mine) return;
      summary.textContent = `Conversations (${found.total.toLocaleString()})`;
      items.replaceChildren(...nodes);
      offer(found.next);
    } catch (error) {
      if (turn === mine && error.status !== 401) items.replaceChildren(h("li", {}, problem(error)));
    }
  }

  function offer(next) {
    more.replaceChildren();
    if (next === null) return;
    more.append(
      button("Show older ones", async (event) => {
        event.target.disabled = true;
        const { found, nodes } = await page(next);
        items.append(...nodes);
        nodes[0]?.querySelector("a").focus();
        offer(found.next);
      }),
    );
  }

  return { read };
}

function item(one, isOpen) {
  return h(
    "li",
    {},
    h(
      "a",
      { href: `#/chat/${encodeURIComponent(one.id)}`, "aria-current": isOpen ? "true" : null },
      h("span", { class: "name", text: one.title }),
      h(
        "span",
        { class: "when" },
        day(one.started),
        one.source === "imports" ? ` · ${one.format || "imported"}` : "",
        one.private ? " · private" : "",
      ),
      isOpen && unseen(" (open)"),
    ),
  );
}
