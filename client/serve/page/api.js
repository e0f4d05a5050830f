// What the page asks of this device. The token is given for a code in the address, or pasted, and stays in this tab.

const TOKEN = "tacit.token";
const APART = { cache: "no-store", credentials: "omit", redirect: "error" };

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let askForToken = () => {};
/** What to do where the token is missing or wrong. */
export function whenLockedOut(action) {
  askForToken = action;
}

/** Swaps a code in the address, which is good once, for the token; whether there is a token now. */
export async function enter() {
  const found = /^#code=([\w-]+)$/.exec(location.hash);
  if (found) {
    history.replaceState(null, "", `${location.pathname}#/chat`);
    try {
      const { token } = await (await fetch("/enter", { ...asJson({ code: found[1] }), ...APART })).json();
      if (token) setToken(token);
    } catch {
      // The page asks for the token.
    }
  }
  return sessionStorage.getItem(TOKEN) !== null;
}

/** Whether the address holds a code. */
export function isEntering() {
  return location.hash.startsWith("#code=");
}

export function setToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

export function dropToken() {
  sessionStorage.removeItem(TOKEN);
}

export async function get(path, query = {}) {
  const asked = new URLSearchParams(query).toString();
  return (await answer(asked ? `${path}?${asked}` : path, {})).json();
}

export async function post(path, body = {}, signal = undefined) {
  return (await answer(path, asJson(body, signal))).json();
}

/** The events of a reply as it is written. */
export async function* stream(path, body, signal) {
  const response = await answer(path, asJson(body, signal));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (left + value).split("\n\n");
    left = events.pop();
    for (const event of events) {
      const said = JSON.parse(event.replace(/^data: /, ""));
      if (said.type === "error") throw new ApiError(500, said.error.message);
      yield said;
    }
  }
}

function asJson(body, signal) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
}

async function answer(path, settings) {
  let response;
  try {
    response = await fetch(path, {
      ...settings,
      headers: { ...settings.headers, Authorization: `Bearer ${sessionStorage.getItem(TOKEN) ?? ""}` },
      ...APART,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "Tacit does not answer. Is “tacit serve” still running?");
  }
  if (response.ok) return response;
  let message = `Tacit answered with an error (${response.status}).`;
  try {
    const said = await response.json();
    message = said.error?.message ?? message;
  } catch {
    // An answer without words keeps the general ones.
  }
  if (response.status === 401) askForToken();
  throw new ApiError(response.status, message);
}
