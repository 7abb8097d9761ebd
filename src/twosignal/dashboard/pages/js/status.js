/** Words for states, verdicts and severities: takes them as recorded, gives a badge that does without colour. */

import { h } from "./dom.js";

const TONE = {
  running: "good",
  finished: "plain",
  halted: "bad",
  refused: "bad",
  failed: "bad",
  damaged: "bad",
  interrupted: "warn",
  stopped: "warn",
  continue: "good",
  pivot: "warn",
  halt: "bad",
  alarm: "bad",
  warning: "warn",
  note: "plain",
  info: "plain",
  ACCEPT: "good",
  ACCEPT_WITH_NOTE: "plain",
  INVESTIGATE: "bad",
};
const SIGN = { good: "\u25cf", plain: "\u25cb", warn: "\u25b2", bad: "\u25a0" };

/** Return the word in a box; a shape before it says what its colour says. */
export function badge(word, title = null) {
  if (!word) return null;
  const tone = TONE[word] ?? "plain";
  const shown = String(word).toLowerCase().replaceAll("_", " ");
  return h("span", { class: `badge ${tone}`, title }, h("span", { "aria-hidden": "true" }, SIGN[tone]), shown);
}

/** Return the state of a check: passed, failed or not applicable. */
export function outcome(passed) {
  if (passed === null || passed === undefined) return h("span", { class: "badge plain" }, "not applicable");
  const [tone, word] = passed ? ["good", "passed"] : ["bad", "failed"];
  return h("span", { class: `badge ${tone}` }, h("span", { "aria-hidden": "true" }, SIGN[tone]), word);
}
