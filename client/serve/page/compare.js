// Two replies side by side, and what all votes between such come to.

import { button, count, freshId, h, problem, svg } from "./dom.js";
import { markdown } from "./markdown.js";

/** The replies `{1, 2}` with the vote; `cast(outcome)` counts it, `discard()` throws both away. */
export function comparison(replies, cast, discard) {
  const trouble = h("div");
  const heading = freshId("which");
  const card = (side) => {
    const name = freshId("reply");
    return h(
      "section",
      { class: "card reply", "aria-labelledby": name },
      h("h3", { id: name, text: `Reply ${side}` }),
      h("div", { class: "words" }, markdown(replies[side])),
    );
  };
  const vote = async (outcome) => {
    for (const one of buttons) one.disabled = true;
    try {
      await cast(outcome);
    } catch (error) {
      trouble.replaceChildren(problem(error));
      for (const one of buttons) one.disabled = false;
    }
  };
  const buttons = [
    button("Reply 1 is better", () => vote("1"), { class: "main" }),
    button("Reply 2 is better", () => vote("2"), { class: "main" }),
    button("Equally good", () => vote("tie")),
    button("Throw both away", discard, { class: "plain quiet" }),
  ];
  return h(
    "section",
    { class: "comparison", "aria-labelledby": heading },
    h("h2", { id: heading, tabindex: "-1", text: "Which reply is better for you?" }),
    h("p", { class: "quiet", text: "One is by the assistant as it has learned, one from before. Which is which is drawn by lot and shown after your vote. Nothing is kept until then." }),
    h("div", { class: "two" }, card("1"), card("2")),
    trouble,
    h("div", { class: "row" }, ...buttons),
  );
}

/** What the votes come to, with the range that they leave open. */
export function rate(votes) {
  if (!votes.rate) return h("p", { class: "quiet", text: "No votes yet. Ask for two replies in a chat and say which is better." });
  const { share, low, high, values, meaning } = votes.rate;
  const [at, from, to] = values.map((value) => 100 * value);
  const said = `The replies of the assistant that has learned were better in ${share} of ${count(votes.votes, "comparison")}.`;
  return h(
    "div",
    { class: "rate" },
    h("p", { text: said }),
    svg(
      "svg",
      { viewBox: "0 0 100 12", role: "img", "aria-label": `Between ${low} and ${high}; 50% would be no difference.`, preserveAspectRatio: "none" },
      svg("rect", { x: 0, y: 5, width: 100, height: 2, class: "track" }),
      svg("rect", { x: from, y: 4, width: Math.max(to - from, 0.6), height: 4, class: "range" }),
      svg("rect", { x: 49.8, y: 0, width: 0.4, height: 12, class: "middle" }),
      svg("rect", { x: Math.min(at, 99) - 0.5, y: 1, width: 1.2, height: 10, class: "point" }),
    ),
    h("p", { class: "ends quiet", "aria-hidden": "true" }, h("span", { text: "before learning is better" }), h("span", { text: "after learning is better" })),
    h("p", { class: "quiet", text: `With this many votes the true share lies between ${low} and ${high}, 19 times in 20. Ties count half. ${meaning}` }),
  );
}
