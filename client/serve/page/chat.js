// Talking: a conversation, the reply as it is written, and what can be done with either.

import { get, post, stream } from "./api.js";
import { comparison, rate } from "./compare.js";
import { isOpen, question } from "./consent.js";
import { ask, tell } from "./dialogs.js";
import { announce, button, count, freshId, h, problem, unseen } from "./dom.js";
import { markdown } from "./markdown.js";
import { refresh, standing, watch } from "./standing.js";

export async function chatView([id], shell) {
  let conversation = id ? await get("/api/conversation", { id }) : null;
  let said = conversation ? [...conversation.said] : [];
  let running = null; // what stops the reply that is being written
  let unkept = []; // nodes of a reply that was stopped, or of a comparison without a vote
  let isGone = false;
  let nextQuestion = null;

  const heading = h("h1", { text: conversation?.title ?? "New chat" });
  const facts = h("p", { class: "quiet" });
  const actions = h("div", { class: "row" });
  const talk = h("ol", { class: "talk", "aria-label": "Messages" });
  const welcome = h(
    "div",
    { class: "welcome" },
    h("p", { class: "large", text: "What is on your mind?" }),
    h("p", { class: "quiet", text: "What you say is kept on this device, encrypted, and read by nobody else." }),
  );
  const below = h("div", { class: "below" });
  const secret = h("input", { type: "checkbox", role: "switch", id: freshId("private") });
  const secretRow = h(
    "p",
    { class: "switch" },
    secret,
    h("label", { for: secret.id, text: "Private chat: nothing is kept" }),
  );
  const box = h("textarea", { id: freshId("message"), rows: "1", placeholder: "Write a message" });
  const send = h("button", { type: "submit", class: "main" }, "Send");
  const stop = button("Stop", () => running?.abort(), { class: "main" });
  const compare = button("Compare two replies", () => compareReplies(), { "aria-describedby": freshId("compares") });
  const composer = h(
    "form",
    { class: "composer", "aria-label": "Write" },
    h("label", { for: box.id, class: "unseen", text: "Your message" }),
    box,
    h(
      "div",
      { class: "row" },
      h("span", { class: "quiet hint", id: compare.getAttribute("aria-describedby") },
        "Enter sends, Shift and Enter begins a line, Escape stops."),
      compare,
      send,
      stop,
    ),
  );
  const scroller = h("div", { class: "scroller" }, welcome, talk, below);
  const node = h(
    "div",
    { class: "chat" },
    h("div", { class: "head" }, h("div", {}, heading, facts), h("div", { class: "row" }, actions)),
    scroller,
    h("div", { class: "foot" }, composer),
  );

  // Above the composer while a chat has not begun: what it will be.
  if (!conversation) welcome.append(secretRow);
  secret.addEventListener("change", () => {
    node.classList.toggle("secret", secret.checked);
    heading.textContent = secret.checked ? "Private chat" : "New chat";
    paint();
  });
  box.addEventListener("input", grow);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      composer.requestSubmit();
    }
  });
  const escape = (event) => {
    if (event.key === "Escape" && running && !document.querySelector("dialog")) running.abort();
  };
  document.addEventListener("keydown", escape);
  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    sendMessage();
  });

  function grow() {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, 240)}px`;
  }

  function paint() {
    const begun = said.length > 0;
    welcome.hidden = begun || unkept.length > 0;
    send.hidden = running !== null;
    stop.hidden = running === null;
    offerComparison();
    facts.textContent = described();
    const isKept = conversation !== null;
    actions.replaceChildren(
      ...(isKept && !conversation.private ? [button("Never learn from this", markPrivate)] : []),
      ...(isKept ? [button("Forget", forget, { class: "plain warns" })] : []),
    );
    for (const old of talk.querySelectorAll(".again")) old.remove();
    if (isKept && running === null && unkept.length === 0 && said.at(-1)?.role === "assistant") {
      talk.lastElementChild?.append(h("div", { class: "again" }, button("Another reply", again)));
    }
  }

  function offerComparison() {
    compare.hidden = running !== null || secret.checked || !standing()?.assistant.is_tuned;
  }

  function described() {
    if (secret.checked) return "Nothing of this chat is kept, here or anywhere.";
    if (!conversation) return "";
    const from = conversation.source === "imports" ? `Imported${conversation.format ? ` from ${conversation.format}` : ""}. ` : "";
    return from + (conversation.private ? "Private: nothing is learned from this conversation." : "");
  }

  function add(role, text, isKept = true) {
    const words = h("div", { class: "words" });
    if (role === "assistant") words.append(markdown(text));
    else words.textContent = text;
    const name = { user: "You", assistant: "Tacit", system: "Instructions" }[role];
    const item = h("li", { class: role }, unseen(`${name}: `), words);
    talk.append(item);
    if (!isKept) unkept.push(item);
    return { item, words };
  }

  function toEnd() {
    scroller.scrollTop = scroller.scrollHeight;
  }

  function clearUnkept() {
    for (const item of unkept) item.remove();
    unkept = [];
    below.replaceChildren();
  }

  /** Reads a reply into `words` as it comes; what was said at the end. */
  async function read(path, body, words) {
    let text = "";
    let due = false;
    const draw = () => {
      due = false;
      const follows = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
      words.replaceChildren(markdown(text));
      if (follows) toEnd();
    };
    words.classList.add("writing");
    words.setAttribute("aria-busy", "true");
    try {
      for await (const event of stream(path, body, running.signal)) {
        if (event.type === "done") {
          draw();
          return { text, conversation: event.conversation };
        }
        text += event.text;
        if (!due) requestAnimationFrame(draw);
        due = true;
      }
      throw new Error("The reply was cut off. Nothing of it was kept.");
    } finally {
      words.classList.remove("writing");
      words.removeAttribute("aria-busy");
    }
  }

  function begin(text) {
    clearUnkept();
    running = new AbortController();
    box.value = "";
    grow();
    add("user", text, false);
  }

  /** What was begun came to nothing: it stays in sight, and the words go back to the box. */
  function giveUp(error, text) {
    running = null;
    for (const item of unkept) item.classList.add("unkept");
    const note = error.name === "AbortError" ? h("p", { class: "quiet", text: "Stopped. Nothing of this was kept." }) : problem(error);
    below.replaceChildren(note);
    if (error.name === "AbortError") announce("Stopped. Nothing of this was kept.");
    if (!box.value) box.value = text;
    grow();
    paint();
    toEnd();
    box.focus();
  }

  async function sendMessage() {
    const text = box.value.trim();
    if (!text || running) return;
    const isSecret = secret.checked;
    begin(text);
    const { words } = add("assistant", "", false);
    paint();
    toEnd();
    const body = isSecret
      ? { message: text, private: true, before: said.map(({ role, content }) => ({ role, content })) }
      : { message: text, conversation: conversation?.id ?? null };
    try {
      const reply = await read("/api/chat", body, words);
      took(text, reply.text, reply.conversation);
    } catch (error) {
      if (!isGone) giveUp(error, text);
    }
  }

  function took(text, reply, kept) {
    said.push({ role: "user", content: text }, { role: "assistant", content: reply });
    unkept = [];
    running = null;
    if (kept) keepAs(kept);
    announce(`Tacit: ${reply}`);
    paint();
    askOnce(kept && !kept.private ? "chats" : null);
    toEnd();
  }

  function keepAs(kept) {
    const isNew = conversation === null;
    conversation = { ...conversation, ...kept };
    if (isGone) return;
    if (isNew) {
      heading.textContent = kept.title;
      shell.rename(`#/chat/${encodeURIComponent(kept.id)}`, kept.title);
    }
    shell.listConversations(kept.id);
  }

  /** One question at a time. */
  function askOnce(source) {
    if (!source || !isOpen(source)) return;
    const open = below.querySelector(".asks");
    if (open) {
      if (open.dataset.asks !== source) nextQuestion = source;
      return;
    }
    const then = () => {
      const next = nextQuestion;
      nextQuestion = null;
      askOnce(next);
    };
    below.append(question(source, then));
  }

  async function again() {
    const last = talk.lastElementChild;
    const words = last.querySelector(".words");
    const old = said.at(-1).content;
    running = new AbortController();
    below.replaceChildren();
    paint();
    box.focus();
    try {
      const reply = await read("/api/again", { conversation: conversation.id }, words);
      said[said.length - 1] = { role: "assistant", content: reply.text };
      running = null;
      keepAs(reply.conversation);
      announce(`Tacit: ${reply.text}`);
      if (reply.text === old) below.replaceChildren(h("p", { class: "quiet", text: "The other reply came out the same." }));
    } catch (error) {
      running = null;
      words.replaceChildren(markdown(old));
      const stopped = error.name === "AbortError";
      below.replaceChildren(stopped ? h("p", { class: "quiet", text: "Stopped. The reply from before stays." }) : problem(error));
    }
    paint();
  }

  async function compareReplies() {
    const text = box.value.trim();
    if (running) return;
    if (!text) {
      below.replaceChildren(h("p", { class: "quiet", role: "status", text: "Write a message first; two replies to it are then compared." }));
      box.focus();
      return;
    }
    begin(text);
    const waiting = h("li", { class: "assistant" }, h("p", { class: "quiet writing", role: "status" }, "Two replies are being written. You see both once both are done."));
    talk.append(waiting);
    unkept.push(waiting);
    paint();
    toEnd();
    let found;
    try {
      found = await post("/api/ab", { message: text, conversation: conversation?.id ?? null }, running.signal);
    } catch (error) {
      waiting.remove();
      if (!isGone) giveUp(error, text);
      return;
    }
    if (found.same) {
      waiting.remove();
      add("assistant", found.reply);
      took(text, found.reply, found.conversation);
      below.prepend(h("p", { class: "quiet", text: "Both replies were the same, so this counted as a tie without asking you." }));
      box.focus();
      return;
    }
    running = null;
    const cast = async (outcome) => {
      const vote = await post("/api/ab/vote", { id: found.id, outcome });
      waiting.remove();
      add("assistant", vote.reply);
      took(text, vote.reply, vote.conversation);
      reveal(vote);
      await refresh();
      if (vote.pair !== null) askOnce("votes");
    };
    const discard = () => giveUp(new DOMException("", "AbortError"), text);
    const cards = comparison(found.replies, cast, discard);
    waiting.replaceChildren(unseen("Tacit: "), cards);
    paint();
    toEnd();
    cards.querySelector("h2").focus({ preventScroll: true });
    announce("Two replies are here. Read both and say which one is better.");
  }

  function reveal(vote) {
    const which = {
      tuned: "You chose the reply of the assistant that has learned.",
      base: "You chose the reply from before it learned.",
      tie: `You found both equally good. The one that has learned was reply ${vote.tuned}.`,
    }[vote.outcome];
    const pair = vote.pair !== null
      ? vote.consent
        ? "Your vote is a new pair that Tacit can learn from."
        : "Your vote is kept as a pair that waits: it is not used unless you agree."
      : vote.no_pair_because && `No pair was made of it: ${vote.no_pair_because}.`;
    const told = h("section", { class: "card revealed", "aria-label": "Your vote" },
      h("p", { tabindex: "-1", class: "strong", text: which }),
      pair && h("p", { text: pair }),
      rate(vote.votes));
    below.prepend(told);
    told.querySelector("p").focus({ preventScroll: true });
    announce(which);
    toEnd();
  }

  async function markPrivate() {
    let found;
    const yes = await ask({
      title: "Never learn from this conversation?",
      says: [
        "It stays here to read, but nothing is learned from it any more, and what was learned from it is removed: pairs, and what they gave to your persona.",
        "This is for good. It cannot be made learnable again.",
      ],
      yes: "Never learn from it",
      does: async () => {
        found = await post("/api/conversation/private", { id: conversation.id });
      },
    });
    if (!yes) return;
    conversation.private = true;
    paint();
    shell.listConversations(conversation.id);
    refresh().catch(() => {});
    announce("This conversation is private from now on.");
    below.replaceChildren(h("p", { class: "quiet", text: `Private from now on. ${gone(found)}` }));
    heading.focus();
  }

  async function forget() {
    let found;
    const yes = await ask({
      title: "Forget this conversation?",
      says: [
        "Its messages are destroyed, with everything that came from it: pairs, votes, and what it told about you.",
        "There is no way back.",
      ],
      yes: "Forget it",
      danger: true,
      does: async () => {
        found = await post("/api/conversation/forget", { id: conversation.id });
      },
    });
    if (!yes) return;
    isGone = true;
    shell.go("#/chat");
    shell.listConversations(null);
    refresh().catch(() => {});
    await tell("Forgotten", [
      `${count(found.messages, "message")} destroyed. ${gone(found)}`,
      found.overwritten ? "" : "Another program reads the vault at this moment: the old bytes are overwritten once it has stopped and the vault is opened again.",
      found.backups.length ? "These backups may still hold the conversation. Destroy them, or it comes back with them:" : "No backup that Tacit knows of holds it.",
      found.backups.length ? h("ul", { class: "files" }, ...found.backups.map((name) => h("li", { text: name }))) : "",
      h("p", {}, h("strong", { text: "What cannot be undone. " }), found.cannot_be_undone),
    ]);
  }

  const unwatch = watch(offerComparison);
  for (const message of said) add(message.role, message.content);
  paint();
  return {
    title: conversation?.title ?? "Chat",
    node,
    focus: conversation ? heading : box,
    begin() {
      shell.listConversations(conversation?.id ?? null);
      if (standing()?.counts.imports) askOnce("imports");
      toEnd();
    },
    leave() {
      isGone = true;
      running?.abort();
      document.removeEventListener("keydown", escape);
      unwatch();
    },
  };
}

function gone(found) {
  const { pairs, observations, statements } = found.removed;
  const parts = [
    pairs && count(pairs, "pair"),
    observations + statements > 0 && `${count(observations + statements, "thing")} known about you`,
  ].filter(Boolean);
  const removed = parts.length ? `Removed with it: ${parts.join(" and ")}.` : "Nothing had been learned from it.";
  return found.retraining ? `${removed} Tacit is being trained anew without it.` : removed;
}
