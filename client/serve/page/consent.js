// The question whether something may be learned from: asked once for each source, and no until it is yes.

import { post } from "./api.js";
import { announce, button, freshId, h, problem } from "./dom.js";
import { refresh, standing } from "./standing.js";

const LEARNING =
  "Learning means: Tacit reads what you like from it, makes pairs of a better and a worse reply, and practises on them " +
  "on this device. Your words stay here. If you ever join other devices, an update to the model leaves, protected as your policy demands; never a word.";

export const SOURCES = {
  chats: {
    question: "May Tacit learn from your chats here?",
    name: "Your chats here",
    about: "Conversations that you have on this page, in the terminal or in another front end.",
  },
  imports: {
    question: "May Tacit learn from the conversations that you brought along?",
    name: "Conversations you imported",
    about: "What came from other assistants' exports.",
  },
  votes: {
    question: "May Tacit learn from your votes?",
    name: "Your votes between two replies",
    about: "Which of two replies you found better. Until you say yes they only count for the comparison.",
  },
};

/** Whether a source's question is still open. */
export function isOpen(source) {
  return standing()?.consents[source] === null;
}

/** The question, as a card that leaves when it is answered. `done` is told the answer. */
export function question(source, done = () => {}) {
  const heading = freshId("asks");
  const trouble = h("div");
  const answer = async (granted) => {
    try {
      await post("/api/consents", { source, granted });
      await refresh();
    } catch (error) {
      trouble.replaceChildren(problem(error));
      return;
    }
    const said = granted
      ? "Thank you. Tacit will learn from this when you press “Learn now” under Pairs."
      : "Understood. Nothing of this is learned from.";
    card.classList.remove("asks");
    card.replaceChildren(h("p", { class: "quiet", text: `${said} You can change this in Settings at any time.` }));
    announce(said);
    done(granted);
  };
  const card = h(
    "section",
    { class: "card asks", "aria-labelledby": heading, "data-asks": source },
    h("h2", { id: heading, text: SOURCES[source].question }),
    h("p", { text: LEARNING }),
    h("p", { class: "quiet", text: "Without a yes nothing is used. Private conversations are never used." }),
    trouble,
    h(
      "div",
      { class: "row" },
      button("Yes, it may", () => answer(true), { class: "main" }),
      button("No", () => answer(false)),
    ),
  );
  return card;
}
