/**
 * What the model said: takes the samples of a run, gives a scrubber over its steps and the texts of one step.
 *
 * In the address: `step`, `prompt` (index of one prompt to follow), `source`, and `show=flagged`.
 */

import { facts, h, link, notice, replace } from "../dom.js";
import { loss, number, whole } from "../format.js";
import { marked } from "../marked.js";
import { change, href, numeric } from "../route.js";
import { scrubber } from "../scrubber.js";
import { badge } from "../status.js";

const PARTS = [
  ["bigram", 35],
  ["trigram", 35],
  ["english", 20],
  ["character", 10],
];

/** Make the tab. */
export async function samplesTab({ source, signal }, run) {
  const state = {
    source,
    run,
    index: null,
    asked: 0,
    kept: new Map(),
    body: h("div", { class: "samples", "aria-live": "polite" }),
  };
  state.slider = scrubber((step) => change({ step }), signal);
  state.filters = filters(state);
  const node = h("div", {}, state.slider.node, state.filters.node, state.body);
  await reindex(state);
  return { node, update: (query) => update(state, query), hear: (news) => hear(state, news) };
}

async function reindex(state) {
  state.index = await state.source.samples(state.run.id);
  const sums = new Map();
  state.index.step.forEach((step, place) => {
    const value = state.index.coherence[place];
    const [sum, amount] = sums.get(step) ?? [0, 0];
    sums.set(step, typeof value === "number" ? [sum + value, amount + 1] : [sum, amount]);
  });
  state.steps = [...sums.keys()];
  state.heights = [...sums.values()].map(([sum, amount]) => (amount ? sum / amount : null));
}

async function hear(state, news) {
  if (news && news.samples === state.index.count) return;
  const wasNewest = state.shown === state.steps.at(-1);
  await reindex(state);
  if (state.query && (wasNewest || !state.query.has("step"))) await update(state, state.query);
}

async function update(state, query) {
  state.query = query;
  if (!state.steps.length) {
    replace(state.body, notice("This run has no samples yet. They come every [samples] every steps."));
    return;
  }
  const step = numeric(query, "step") ?? state.steps.at(-1);
  state.slider.show(state.steps, state.heights, step);
  const asked = ++state.asked;
  try {
    const sampling = await fetched(state, step);
    if (asked !== state.asked) return;
    state.shown = sampling.step;
    draw(state, sampling);
  } catch (fault) {
    replace(state.body, notice(fault.message));
  }
}

/** Return a sampling; the last hundred read are kept, so that scrubbing back asks nothing. */
async function fetched(state, step) {
  if (!state.kept.has(step)) state.kept.set(step, await state.source.sampling(state.run.id, step));
  if (state.kept.size > 100) state.kept.delete(state.kept.keys().next().value);
  return state.kept.get(step);
}

function draw(state, sampling) {
  const { query } = state;
  const prompt = numeric(query, "prompt");
  const source = query.get("source");
  const isFlagged = (one) => one.degenerate === true || one.action === "INVESTIGATE" || one.spans.length > 0;
  const chosen = sampling.samples.filter(
    (one) =>
      (prompt === null || one.index === prompt) &&
      (!source || one.source === source) &&
      (query.get("show") !== "flagged" || isFlagged(one)),
  );
  state.filters.show(sampling, chosen.length);
  const none = notice("No text of this sampling is left by the choice above.");
  replace(state.body, chosen.length ? chosen.map((one) => sample(state, sampling, one)) : none);
}

function sample({ run, query }, sampling, one) {
  const to = (span) =>
    span.match === null || span.match === undefined
      ? null
      : href(["run", run.id, "document"], { step: sampling.step, index: one.index, match: span.match });
  const isOne = numeric(query, "prompt") !== null;
  const follow = h(
    "button",
    { type: "button", class: "quiet", onclick: () => change({ prompt: isOne ? null : one.index }) },
    isOne ? "All prompts" : "Follow this prompt",
  );
  const text =
    one.text === ""
      ? h("span", { class: "faint" }, "(nothing: the text ended at once)")
      : marked(one.text, one.spans, to);
  return h(
    "article",
    { class: "sample", id: `sample-${one.index}` },
    h(
      "div",
      { class: "reading" },
      one.prompt ? h("p", { class: "prompt" }, h("span", { class: "unseen" }, "Prompt: "), one.prompt) : null,
      h("p", { class: "written" }, h("span", { class: "unseen" }, "The model wrote: "), text),
      faults(one, to),
    ),
    h("aside", { class: "scores", "aria-label": "Scores" }, scores(one), follow),
  );
}

function faults(one, to) {
  const reasons = new Map(one.spans.map((span) => [`${span.kind}: ${span.reason ?? ""}`, span]));
  if (!reasons.size) return null;
  return h(
    "ul",
    { class: "faults" },
    [...reasons].map(([said, span]) =>
      h(
        "li",
        { class: span.kind === "copied" ? "copied" : "faulty" },
        said,
        to(span) ? [" ", link(to(span), "Read its training document")] : null,
      ),
    ),
  );
}

function scores(one) {
  const verdict = one.degenerate === null ? "too little text to say" : one.degenerate ? "degenerate" : "sound";
  const parts = PARTS.filter(([name]) => typeof one.scores?.[name] === "number").map(([name, most]) =>
    h(
      "div",
      {},
      h("dt", {}, name),
      h(
        "dd",
        {},
        h("meter", { min: 0, max: most, value: one.scores[name], "aria-label": name }),
        h("span", {}, `${number(one.scores[name], 3)} of ${most}`),
      ),
    ),
  );
  return [
    h(
      "p",
      { class: "headline" },
      badge(one.action),
      h("span", { class: one.degenerate ? "bad-word" : null }, verdict),
    ),
    facts([
      ["loss", loss(one.loss)],
      ["perplexity", number(one.ppl)],
      ["source", one.source],
      ["domain", one.domain],
      ["tokens", one.tokens === null ? null : whole(one.tokens)],
      ["copied", copied(one)],
      ["tier", one.reading ? `${one.tier}: ${one.reading}` : one.tier],
    ]),
    h(
      "details",
      {},
      h("summary", {}, `Coherence ${number(one.scores?.total, 3)} of 100`),
      h("dl", { class: "parts" }, parts),
    ),
  ];
}

function copied(one) {
  if (!one.copied) return "not looked up";
  const length = one.copied.longest_tokens ? `, longest ${whole(one.copied.longest_tokens)} tokens` : "";
  const ratio = typeof one.copied.zlib_ratio === "number" ? `, zlib ${number(one.copied.zlib_ratio, 3)}` : "";
  return `${one.copied.verdict ?? "looked up"}${length}${ratio}`;
}

function filters(state) {
  const source = h("select", {
    "aria-label": "Source",
    onchange: () => change({ source: source.value || null }),
  });
  const flagged = h("input", {
    type: "checkbox",
    onchange: () => change({ show: flagged.checked ? "flagged" : null }),
  });
  const said = h("span", { class: "note" });
  const node = h(
    "div",
    { class: "filters" },
    h("label", {}, "Source ", source),
    h("label", {}, flagged, "Only flagged"),
    said,
    h(
      "span",
      { class: "legend-marks" },
      h("mark", { class: "faulty" }, "fault"),
      " ",
      h("mark", { class: "copied" }, "copied from training text"),
    ),
  );
  return {
    node,
    show: (sampling, amount) => {
      const names = [...new Set([...state.run.sources, ...sampling.samples.map((one) => one.source)])].filter(
        Boolean,
      );
      replace(
        source,
        h("option", { value: "" }, "all"),
        names.map((name) => h("option", { value: name }, name)),
      );
      source.value = state.query.get("source") ?? "";
      flagged.checked = state.query.get("show") === "flagged";
      said.textContent = `${whole(amount)} of ${whole(sampling.samples.length)} texts. Arrow keys change the step.`;
    },
  };
}
