// A little Markdown, made of nodes: paragraphs, headings, lists, code, bold and italic. Everything else stays as it was
// written; a link is not made clickable, and markup in a reply is shown as the characters that it is.

import { h } from "./dom.js";

const FENCE = /^\s*(```|~~~)/;
const HEADING = /^#{1,6}\s+(.*)$/;
const BULLET = /^\s*[-*+•]\s+(.*)$/;
const NUMBER = /^\s*(\d{1,9})[.)]\s+(.*)$/;

/** The nodes of a text. */
export function markdown(text) {
  const made = document.createDocumentFragment();
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (!line.trim()) {
      at += 1;
    } else if (FENCE.test(line)) {
      const fence = FENCE.exec(line)[1];
      let end = at + 1;
      while (end < lines.length && !lines[end].trim().startsWith(fence)) end += 1;
      const code = lines.slice(at + 1, end).join("\n");
      made.append(h("pre", { tabindex: "0" }, h("code", { text: code })));
      at = end + 1;
    } else if (HEADING.test(line)) {
      made.append(h("p", { class: "heading" }, inline(HEADING.exec(line)[1])));
      at += 1;
    } else if (BULLET.test(line) || NUMBER.test(line)) {
      at = list(made, lines, at);
    } else {
      at = paragraph(made, lines, at);
    }
  }
  return made;
}

function list(made, lines, start) {
  const kind = BULLET.test(lines[start]) ? BULLET : NUMBER;
  const first = kind === NUMBER ? NUMBER.exec(lines[start])[1] : null;
  const whole = h(kind === BULLET ? "ul" : "ol", { start: first && first !== "1" ? first : null });
  let at = start;
  while (at < lines.length && kind.test(lines[at])) {
    whole.append(h("li", {}, inline(kind.exec(lines[at]).at(-1))));
    at += 1;
  }
  made.append(whole);
  return at;
}

function paragraph(made, lines, start) {
  const whole = h("p");
  let at = start;
  while (at < lines.length && lines[at].trim() && !begins(lines[at], at > start)) {
    if (at > start) whole.append(h("br"));
    whole.append(...inline(lines[at]));
    at += 1;
  }
  made.append(whole);
  return at;
}

function begins(line, inside) {
  return inside && (FENCE.test(line) || HEADING.test(line) || BULLET.test(line) || NUMBER.test(line));
}

const INLINE = /`([^`]+)`|\*\*(?=\S)([^*]+?)\*\*|\*(?=\S)([^*\s][^*]*?)\*|(?<!\w)_(?=\S)([^_]+?)_(?!\w)/g;

/** The nodes of a line. */
function inline(text) {
  const nodes = [];
  let last = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > last) nodes.push(text.slice(last, found.index));
    const [whole, code, bold, starred, lined] = found;
    const tag = code !== undefined ? "code" : bold !== undefined ? "strong" : "em";
    nodes.push(h(tag, { text: code ?? bold ?? starred ?? lined }));
    last = found.index + whole.length;
  }
  if (last < text.length) nodes.push(text.slice(last));
  return nodes;
}
