/**
 * A text with its spans marked: takes a text and spans, gives nodes, a link where a span was copied from training text.
 *
 * Spans may overlap: the text is cut at every edge, and each piece tells all kinds it lies in.
 */

import { h } from "./dom.js";

/** Return `text` with `spans` ({start, end, kind, reason, match}) marked; `to(span)` gives a copied span's address. */
export function marked(text, spans, to = () => null) {
  const edges = [...new Set([0, text.length, ...spans.flatMap((one) => [one.start, one.end])])]
    .filter((one) => one >= 0 && one <= text.length)
    .sort((a, b) => a - b);
  return edges.slice(1).map((end, index) => piece(text, edges[index], end, spans, to));
}

function piece(text, start, end, spans, to) {
  const part = text.slice(start, end);
  const inside = spans.filter((one) => one.start <= start && one.end >= end && one.end > one.start);
  if (!inside.length) return part;
  const kinds = [...new Set(inside.map((one) => one.kind))];
  const isCopied = kinds.includes("copied");
  const tone = isCopied ? (kinds.length > 1 ? "copied faulty" : "copied") : "faulty";
  const copied = inside.find((one) => one.kind === "copied");
  const address = copied ? to(copied) : null;
  const title = inside.map((one) => `${one.kind}: ${one.reason ?? ""}`).join("; ");
  const opening = inside.some((one) => one.start === start)
    ? h("span", { class: "unseen" }, `[${kinds.join(", ")}: `)
    : null;
  const closing = inside.some((one) => one.end === end) ? h("span", { class: "unseen" }, "]") : null;
  const content = address ? h("a", { href: address }, part) : part;
  return h("mark", { class: tone, title }, opening, content, closing);
}
