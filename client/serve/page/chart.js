// ε over the answers that a device gave: steps that only rise, and the limit that its user set.

import { svg } from "./dom.js";

const HEIGHT = 260;
const LEFT = 48;
const RIGHT = 16;
const TOP = 30;
const BOTTOM = 40;

/** `lines`: [{name, kind, points: [{at, value}], limit: {text, value} | null}]; a value of null is beyond all. */
export function chart(lines, described) {
  const width = matchMedia("(max-width: 799px)").matches ? 350 : 640; // its letters keep their size
  const values = lines.flatMap((line) => [...line.points.map((point) => point.value ?? 0), line.limit?.value ?? 0]);
  const most = Math.max(1, ...lines.flatMap((line) => line.points.map((point) => point.at)));
  const step = niceStep(Math.max(0.1, ...values) * 1.08);
  const top = step * Math.ceil((Math.max(0.1, ...values) * 1.08) / step);
  const x = (at) => LEFT + ((width - LEFT - RIGHT) * at) / most;
  const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * Math.min(value ?? top, top)) / top;
  const made = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": described, class: "chart" });
  for (let value = 0; value <= top + step / 2; value += step) {
    made.append(
      svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value), class: "grid" }),
      text(LEFT - 8, y(value) + 4, short(value), "end"),
    );
  }
  const every = Math.max(1, Math.ceil(most / 8));
  for (let at = every; at <= most; at += every) made.append(text(x(at), HEIGHT - BOTTOM + 18, String(at), "middle"));
  made.append(text(width - RIGHT, HEIGHT - 6, "answers given", "end"), text(LEFT - 8, 12, "ε", "end"));
  for (const line of lines) {
    if (line.limit && line.limit.value !== null) {
      made.append(
        svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(line.limit.value), y2: y(line.limit.value), class: `limit ${line.kind}` }),
        text(LEFT + 6, y(line.limit.value) - 6, `your limit ${line.name}: ${line.limit.text}`, "start", `label ${line.kind}`),
      );
    }
    if (!line.points.length) continue;
    let path = `M ${x(0)} ${y(0)}`;
    for (const point of line.points) path += ` H ${x(point.at)} V ${y(point.value)}`;
    made.append(svg("path", { d: path, class: `line ${line.kind}` }));
    const last = line.points.at(-1);
    made.append(svg("circle", { cx: x(last.at), cy: y(last.value), r: 4, class: `dot ${line.kind}` }));
  }
  return made;
}

function text(x, y, said, anchor, kind = "label") {
  const made = svg("text", { x, y, "text-anchor": anchor, class: kind });
  made.textContent = said;
  return made;
}

function niceStep(top) {
  const rough = top / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
}

function short(value) {
  return String(Number(value.toFixed(2)));
}
