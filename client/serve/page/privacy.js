// What has left this device, what that comes to, what was declined, and the switch.

import { get, post } from "./api.js";
import { chart } from "./chart.js";
import { ask } from "./dialogs.js";
import { announce, button, count, h, problem } from "./dom.js";
import { refresh } from "./standing.js";

export async function privacyView() {
  let ledger = await get("/api/ledger");
  const takes = h("section", { class: "card", "aria-label": "Taking part" });
  const trouble = h("div");

  async function decide(state, said) {
    try {
      const found = await post("/api/taking-part", { state });
      ledger = { ...ledger, ...found };
    } catch (error) {
      trouble.replaceChildren(problem(error));
      return;
    }
    trouble.replaceChildren();
    paint();
    announce(said);
    const heading = takes.querySelector("h2, h3");
    heading?.setAttribute("tabindex", "-1");
    (takes.querySelector("button") ?? heading)?.focus(); // who has left has no button
    refresh().catch(() => {});
  }

  async function leave() {
    const yes = await ask({
      title: "Leave for good?",
      says: ["This device answers no server any more, and does not even finish what it began. The list below stays: it says what was told.", "What was already summed up with others cannot be taken back."],
      yes: "Leave",
      danger: true,
    });
    if (yes) await decide("left", "This device has left.");
  }

  function paint() {
    const state = ledger.taking_part;
    const [title, about] = {
      on: ledger.has_policy
        ? ["Taking part", "When a server asks and your policy allows it, this device answers with a piece of what it learned, protected as the policy demands; never with words."]
        : ["Nothing leaves", "You have joined nothing. There is no policy that would allow an answer, so every server is declined."],
      paused: ["Paused", "This device answers no new request until you go on. What it had begun is finished, since others count on it."],
      left: ["You have left", "This device answers nobody. To come back, join again: tacit join, with an invite."],
    }[state];
    takes.replaceChildren(
      h("h2", {}, h("span", { class: `lamp ${state === "on" && ledger.has_policy ? "on" : "off"}`, "aria-hidden": "true" }), title),
      h("p", { text: about }),
      trouble,
      h("div", { class: "row" },
        state === "on"
          ? button("Pause", () => decide("paused", "Paused."), { class: "main" })
          : state === "paused" && button("Go on", () => decide("on", "Taking part."), { class: "main" }),
        state !== "left" && button("Leave", leave, { class: "plain warns" })),
    );
  }

  paint();
  return {
    title: "Privacy",
    node: h(
      "div",
      { class: "page" },
      h("h1", { text: "What has left this device" }),
      h("p", { class: "lead", text: "Your words never leave. If you join others, what leaves is a small change to the model, protected as your policy demands. Here is every time that happened." }),
      takes,
      ledger.policy_error && h("p", { class: "problem", text: `Your policy cannot be read, so nothing leaves: ${ledger.policy_error}` }),
      ledger.ledger_error && h("p", { class: "problem", text: ledger.ledger_error }),
      ...spending(ledger),
      ...refusals(ledger.refusals),
    ),
  };
}

function spending(ledger) {
  if (!ledger.answers) {
    return ledger.ledger_error ? [] : [
      h("section", { class: "card nothing" }, h("p", { class: "large", text: "Nothing so far." }), h("p", { class: "quiet", text: "This device has answered no server, so nobody has learned anything from it." })),
    ];
  }
  const { total, limits, delta, without } = ledger;
  const lines = [
    { name: "for you as a whole", kind: "user", points: along("user"), limit: limits.user },
    { name: "for one pair", kind: "pair", points: along("pair"), limit: limits.pair },
  ].filter((line) => line.points.length > 0);
  const ends = lines.map((line) => `${total[line.kind].text} ${line.name}`).join(" and ");
  const described = `After ${count(ledger.answers, "answer")} ε is ${ends}. The table below has every step.`;

  function along(unit) {
    return ledger.points.filter((point) => point[unit]).map((point) => ({ at: point.answer, value: point[unit].value }));
  }

  return [
    h(
      "section",
      { class: "card", "aria-label": "How much could be learned about you" },
      h("h2", { text: "How much could be learned about you" }),
      h("p", { text: "The number ε (epsilon) bounds how much all that left could tell about you, to anybody, now or ever. At 0 it tells nothing. Below 1 it is hardly distinguishable whether your data was there at all; above 8 little is promised. It only ever grows." }),
      h("div", { class: "two figures" }, figure("You as a whole", total.user, limits.user, without.user), figure("One pair", total.pair, limits.pair, without.pair)),
      ledger.unprotected > 0 && h("p", { class: "problem", text: `${count(ledger.unprotected, "answer")} had no protection at all. Nothing bounds what can be learned from ${ledger.unprotected === 1 ? "it" : "them"}.` }),
      lines.length > 0 && h("div", { class: "legend", "aria-hidden": "true" }, ...lines.map((line) => h("span", { class: line.kind }, line.name))),
      lines.length > 0 && chart(lines, described),
      h("p", { class: "quiet", text: `All figures hold but for a chance of δ = ${delta}, and are rounded up.` }),
      h("details", { open: ledger.points.length <= 12 }, h("summary", {}, `Every answer (${ledger.answers})`), table(ledger.points)),
    ),
  ];
}

function figure(name, total, limit, without) {
  return h(
    "div",
    { class: "figure" },
    h("p", { class: "quiet", text: name }),
    h("p", { class: "number" }, total ? `ε = ${total.text}` : "no figure"),
    h("p", { class: "quiet", text: total ? (limit ? `of at most ${limit.text} that you allow` : "you have set no limit") : "no answer was counted this way" }),
    total && without > 0 && h("p", { class: "quiet", text: `${count(without, "answer")} were not counted this way` }),
  );
}

function table(points) {
  const head = ["Answer", "Run", "Round", "Protects", "ε, you as a whole", "ε, one pair", "Sent"];
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": "Every answer, as a table" },
    h("table", {},
      h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col", text: name })))),
      h("tbody", {}, ...points.map((point) => h("tr", {},
        h("th", { scope: "row", text: point.answer }),
        h("td", {}, h("code", { text: point.run })),
        h("td", { text: point.round }),
        h("td", { text: point.protects }),
        h("td", { text: point.user?.text ?? "–" }),
        h("td", { text: point.pair?.text ?? "–" }),
        h("td", { text: point.sent ? "yes" : "charged, not sent" })))))
  );
}

function refusals(found) {
  if (!found.length) return [];
  return [
    h("section", { class: "card", "aria-label": "Declined" },
      h("h2", { text: "What this device declined" }),
      h("p", { class: "quiet", text: "The server was only told “declined”, not why." }),
      h("ul", {}, ...found.map((one) => h("li", {}, h("code", { text: one.run }), `, round ${one.round}: ${one.reason}`)))),
  ];
}
