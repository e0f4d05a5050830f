// Builds the page from nodes. Text is only ever text: nothing here parses markup, whoever wrote it.

/**
 * An element. `about` holds attributes; besides, `class`, `on` (event → listener) and `text`.
 * Children are nodes or strings; null and false are left out.
 */
export function h(tag, about = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (name === "text") {
      made.textContent = value;
    } else {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** An SVG element. */
export function svg(tag, about = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(about)) {
    if (value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A button that does something here. */
export function button(text, onClick, about = {}) {
  return h("button", { type: "button", class: "plain", ...about, on: { click: onClick } }, text);
}

/** Text for eyes that do not see: labels that the layout makes plain. */
export function unseen(text) {
  return h("span", { class: "unseen" }, text);
}

/** Tells a screen reader, once, without moving the focus. */
export function announce(text) {
  const said = document.getElementById("said");
  said.textContent = "";
  // A region that is filled again with the same words is not read again unless it was empty in between.
  requestAnimationFrame(() => {
    said.textContent = text;
  });
}

let numbered = 0;
/** An id that no other element has. */
export function freshId(what) {
  numbered += 1;
  return `${what}-${numbered}`;
}

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
/** A date, as the reader's language writes it; "" where there is none. */
export function day(iso) {
  return iso ? DAY.format(new Date(iso)) : "";
}

/** "1 pair", "2 pairs". */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

/** A box that says what went wrong. */
export function problem(error) {
  return h("p", { class: "problem", role: "alert" }, error.message ?? String(error));
}
