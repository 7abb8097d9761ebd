/** The receipt of the proof: takes receipt.json, gives what was checked before the first step and what was found. */

import { facts, h, notice } from "../dom.js";
import { percent, whole } from "../format.js";
import { outcome } from "../status.js";
import { shown } from "../values.js";

/** Make the tab. */
export async function proofTab({ source }, run) {
  const receipt = await source.receipt(run.id);
  if (!receipt.checks)
    return { node: notice("This run has no receipt: it was not proved by twosignal before its first step.") };
  const lost = Object.keys(receipt.targets_lost ?? {}).length ? shown(receipt.targets_lost) : "none";
  return {
    node: h(
      "div",
      {},
      h(
        "p",
        { class: "headline" },
        outcome(receipt.passed),
        receipt.passed ? "Every check of the proof holds." : "The proof refused this run.",
      ),
      facts([
        ["conversations", whole(receipt.conversations)],
        ["tokens", whole(receipt.tokens)],
        ["targets", whole(receipt.targets)],
        ["targets lost", lost],
        ["rows", whole(receipt.rows)],
        ["fill", percent(receipt.fill)],
        ["steps", whole(receipt.steps)],
      ]),
      h("ol", { class: "timeline" }, receipt.checks.map(check)),
    ),
  };
}

function check(one) {
  const evidence =
    one.evidence && Object.keys(one.evidence).length
      ? h("details", {}, h("summary", {}, "Evidence"), shown(one.evidence))
      : null;
  return h(
    "li",
    { class: `item ${one.passed === false ? "is-halt" : "is-note"}` },
    h(
      "header",
      {},
      h("span", { class: "when" }, one.id),
      outcome(one.passed),
      h("b", {}, one.name ?? ""),
      one.kind ? h("span", { class: "note" }, one.kind) : null,
    ),
    h("p", {}, one.message),
    one.remedy ? h("p", { class: "remedy" }, one.remedy) : null,
    evidence,
  );
}
