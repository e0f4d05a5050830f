// What Tacit learns from: learning now, whether it helps, and every pair, to look at, correct or drop.

import { get, post } from "./api.js";
import { rate } from "./compare.js";
import { ask } from "./dialogs.js";
import { announce, button, count, day, freshId, h, problem } from "./dom.js";
import { markdown } from "./markdown.js";
import { refresh, standing, watch } from "./standing.js";

const ORIGINS = {
  rewrite: ["You asked for a change", "You were not content with a reply. The better one does what you asked for."],
  reward: ["Ranked for you", "Of several replies to your request, the one that suits your persona best and the one that suits it least."],
  vote: ["Your vote", "You compared two replies and chose one."],
  choice: ["You went on from another reply", "You asked for another reply, or worded your message anew, and went on from there."],
};
const STATES = { waiting: "waiting", used: "learned from", corrected: "corrected by you", dropped: "dropped" };
const MADE = { rewrite: "from changes you asked for", reward: "from ranked replies", choice: "from replies you left", vote: "from votes" };

export async function pairsView([number]) {
  let state = "";
  const list = h("ul", { class: "cards pairs" });
  const more = h("div");
  const filters = h("div", { class: "row", role: "group", "aria-label": "Which pairs are shown" });
  const explain = h("p", { class: "quiet" });
  const learning = learningCard(() => read().catch(() => {}));
  const help = h("section", { class: "card", "aria-label": "Does it help?" });

  async function read(from = 0) {
    const found = await get("/api/pairs", state ? { state, from } : { from });
    if (from === 0) list.replaceChildren();
    list.append(...found.pairs.map((one) => pair(one, changed)));
    paint(found);
    return found;
  }

  function paint(found) {
    const total = Object.values(found.counts).reduce((sum, one) => sum + one, 0);
    filters.replaceChildren(
      ...[["", "All", total], ...Object.entries(STATES).map(([name, text]) => [name, text, found.counts[name]])].map(
        ([name, text, many]) =>
          button(`${text[0].toUpperCase()}${text.slice(1)} (${many})`, () => choose(name), {
            class: "chip",
            "aria-pressed": name === state ? "true" : "false",
            "data-state": name,
          }),
      ),
    );
    const waits = total - found.counts.dropped - found.usable;
    explain.textContent = total
      ? `${found.usable ? count(found.usable, "pair") : "No pair"} may be used for learning.${waits > 0 ? ` ${count(waits, "other waits", "others wait")} until you agree to their use (in Settings).` : ""}`
      : "There are no pairs yet. They are made when Tacit learns, and when you vote between two replies.";
    more.replaceChildren(...(found.next === null ? [] : [button("Show older ones", () => read(found.next))]));
  }

  async function choose(name) {
    state = name;
    await read();
    filters.querySelector(`[data-state="${name}"]`).focus();
  }

  async function changed() {
    const found = await get("/api/pairs", state ? { state } : {});
    paint(found);
  }

  const [found, votes] = await Promise.all([read(), get("/api/ab/rate")]);
  help.append(h("h2", { text: "Does it help?" }), rate(votes));
  if (number && found.pairs.some((one) => String(one.number) === number)) {
    list.querySelector(`[data-number="${number}"] details`).open = true;
  }
  return {
    title: "Pairs",
    node: h(
      "div",
      { class: "page" },
      h("h1", { text: "What Tacit learns from" }),
      h("p", { class: "lead", text: "A pair says: after this request, the one reply is better for you than the other. Tacit practises on such pairs, on this device. Look at any of them, correct it, or drop it." }),
      learning.node,
      help,
      h("h2", { text: "Pairs" }),
      filters,
      explain,
      list,
      more,
    ),
    leave: learning.leave,
  };
}

function learningCard(whenDone) {
  const trouble = h("div");
  const what = h("p", { class: "quiet" });
  const bar = h("progress", { max: "1", "aria-label": "Learning" });
  const report = h("div");
  const start = button("Learn now", async () => {
    trouble.replaceChildren();
    try {
      await post("/api/learn");
      announce("Tacit is learning.");
    } catch (error) {
      trouble.replaceChildren(problem(error));
    }
    await refresh();
  }, { class: "main" });
  let wasRunning = Boolean(standing()?.learning.running);

  function paint(state) {
    const { running, stage, fraction, error, report: last } = state.learning;
    const isAllowed = Object.values(state.consents).includes(true);
    start.disabled = Boolean(running);
    bar.hidden = !running;
    if (fraction === null || fraction === undefined) bar.removeAttribute("value");
    else bar.value = fraction;
    what.textContent = running
      ? `${stage[0]?.toUpperCase() ?? ""}${stage.slice(1)} … You can go on chatting meanwhile.`
      : isAllowed
        ? "Reads your conversations, makes pairs of them and practises. It takes from seconds to some minutes."
        : "You have not agreed to anything being learned from yet. ";
    if (!running && !isAllowed) what.append(h("a", { href: "#/settings" }, "Say what Tacit may learn from"));
    report.replaceChildren(...(error ? [h("p", { class: "problem", text: error })] : []), ...(last && !running ? said(last) : []));
    if (wasRunning && !running) whenDone();
    wasRunning = Boolean(running);
  }

  const leave = watch(paint);
  paint(standing());
  return {
    leave,
    node: h("section", { class: "card", "aria-label": "Learning" }, h("div", { class: "row spread" }, h("div", { class: "grow" }, h("h2", { text: "Learning" }), what), start), bar, trouble, report),
  };
}

function said(report) {
  const made = Object.entries(report.made).map(([origin, many]) => `${many} ${MADE[origin] ?? origin}`);
  const reasons = Object.entries(report.rejected).sort((one, other) => other[1] - one[1]);
  const change = report.personal;
  const trained = change
    ? change.weight > 0
      ? `It practised on ${count(change.trained, "pair")} and was tried on ${change.held_out} others: ${Math.round(100 * change.weight)}% of what it learned is used.`
      : `It practised on ${count(change.trained, "pair")}, but did no better on ${change.held_out} others: nothing of it is used.`
    : report.used
      ? `${count(report.used, "pair")} can be practised on: too few to learn from and to try it out on others.`
      : "There was nothing to practise on.";
  return [
    h("h3", { text: "Last time" }),
    h("ul", {},
      h("li", { text: `${count(report.conversations, "conversation")} may be learned from${report.unread ? `; ${report.unread} are left for the next time` : ""}.` }),
      h("li", { text: `${count(report.statements, "statement")} about you.` }),
      h("li", { text: made.length ? `New pairs: ${made.join(", ")}.` : "No new pairs." }),
      h("li", { text: trained })),
    reasons.length > 0 && h("details", {}, h("summary", {}, `Why ${count(reasons.reduce((sum, [, many]) => sum + many, 0), "request")} made no pair`),
      h("ul", {}, ...reasons.map(([reason, many]) => h("li", { text: `${many}: ${reason}` })))),
  ].filter(Boolean);
}

function pair(one, changed) {
  const body = h("div", { class: "inside" });
  const label = h("span", { class: "tag" });
  const mark = (now) => {
    label.textContent = STATES[now.state];
    item.dataset.state = now.state;
  };
  const whole = h(
    "details",
    {},
    h("summary", {},
      h("span", { class: "grow" },
        h("span", { class: "strong", text: one.request }),
        h("span", { class: "quiet block", text: `${ORIGINS[one.origin][0]} · ${day(one.made)}` })),
      label),
    body,
  );
  const item = h("li", { class: "card", "data-number": one.number }, whole);
  mark(one);
  let isRead = false;
  whole.addEventListener("toggle", async () => {
    if (!whole.open || isRead) return;
    isRead = true;
    try {
      paint(await get("/api/pair", { number: one.number }));
    } catch (error) {
      isRead = false;
      body.replaceChildren(problem(error));
    }
  });

  function paint(full) {
    mark(full);
    const isDropped = full.state === "dropped";
    body.replaceChildren(
      h("p", { class: "quiet", text: ORIGINS[full.origin][1] }),
      h("h3", { text: "After this" }),
      ...full.prompt.map((message) => turn(message)),
      h("div", { class: "two" }, side("Better", "better", full.better), side("Worse", "worse", full.worse)),
      full.persona && h("p", { class: "quiet" }, "Better for somebody of whom is said: ", full.persona),
      h("p", { class: "quiet" }, "From: ", ...full.conversations.map((from) => h("a", { href: `#/chat/${encodeURIComponent(from.id)}`, text: from.title }))),
      !full.usable && !isDropped && h("p", { class: "quiet", text: "It waits: you have not agreed to the use of what it comes from." }),
      h("div", { class: "row" },
        button("Correct the better reply", () => edit(full)),
        !isDropped && button("Drop", () => drop(), { class: "plain warns" })),
    );
  }

  function edit(full) {
    const fields = full.better.filter((message) => message.role === "assistant").map((message) => {
      const field = h("textarea", { id: freshId("better"), rows: Math.min(14, 2 + message.content.split("\n").length + message.content.length / 60) });
      field.value = message.content;
      return field;
    });
    const trouble = h("div");
    const form = h(
      "form",
      { class: "edit", "aria-label": "Correct the better reply" },
      ...fields.map((field, place) => h("p", {}, h("label", { for: field.id, text: fields.length > 1 ? `The better reply, part ${place + 1}` : "What should have been said" }), field)),
      trouble,
      h("div", { class: "row" }, h("button", { type: "submit", class: "main" }, "Save"), button("Cancel", () => { paint(full); body.querySelector("button").focus(); })),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        paint(await post("/api/pair/correct", { number: one.number, better: fields.map((field) => field.value) }));
      } catch (error) {
        trouble.replaceChildren(problem(error));
        return;
      }
      announce("Corrected. It waits to be learned from.");
      body.querySelector("button").focus();
      changed();
    });
    body.querySelector(".row:last-child").replaceWith(form);
    fields[0].focus();
  }

  async function drop() {
    let full;
    const yes = await ask({
      title: "Drop this pair?",
      says: ["It stays here to look at, and is never learned from again.", "If it was learned from already, Tacit is trained anew without it on this device."],
      yes: "Drop it",
      danger: true,
      does: async () => {
        full = await post("/api/pair/drop", { number: one.number });
      },
    });
    if (!yes) return;
    paint(full);
    announce("Dropped.");
    body.querySelector("button").focus();
    changed();
    refresh().catch(() => {});
  }

  return item;
}

function side(title, kind, messages) {
  const name = freshId(kind);
  return h("section", { class: `reply ${kind}`, "aria-labelledby": name }, h("h3", { id: name, text: title }), ...messages.map((message) => turn(message)));
}

function turn(message) {
  const who = { user: "You", assistant: "Tacit", system: "Instructions" }[message.role];
  const words = h("div", { class: "words" });
  if (message.role === "assistant") words.append(markdown(message.content));
  else words.textContent = message.content;
  return h("div", { class: `turn ${message.role}` }, h("span", { class: "quiet", text: who }), words);
}
