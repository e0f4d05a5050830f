// How this device stands, known to every view: consents, what is being learned, what answers.

import { get } from "./api.js";

let now = null;
let timer = null;
const listeners = new Set();

/** The last state that was read. */
export function standing() {
  return now;
}

/** Calls `listener` with every new state; returns what ends that. */
export function watch(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Asks no more. */
export function rest() {
  clearTimeout(timer);
  now = null;
}

/** Reads the state anew; while something is being learned, every second. */
export async function refresh() {
  now = await get("/api/status");
  for (const listener of [...listeners]) listener(now);
  clearTimeout(timer);
  if (now.learning.running) timer = setTimeout(() => refresh().catch(() => {}), 1000);
  return now;
}
