/** Verdicts, actions, switches and findings of a run, newest first, each with its evidence and the text it is about. */

import { h, link, notice, replace } from "../dom.js";
import { moment, whole } from "../format.js";
import { change, href } from "../route.js";
import { badge } from "../status.js";
import { shown } from "../values.js";

const KINDS = ["verdict", "action", "switch", "finding", "end"];
const MOST = 300;

/** Make the tab. */
export async function timelineTab({ source }, run) {
  const state = { source, run, list: h("ol", { class: "timeline" }), items: [] };
  state.choice = h(
    "fieldset",
    { class: "filters" },
    h("legend", { class: "unseen" }, "Kinds"),
    KINDS.map((kind) =>
      h("label", {}, h("input", { type: "checkbox", value: kind, onchange: () => choose(state) }), kind),
    ),
  );
  state.items = (await source.verdicts(run.id)).items;
  return {
    node: h("div", {}, state.choice, state.list),
    update: (query) => {
      state.query = query;
      draw(state);
    },
    hear: async (news) => {
      if (news && !news.new_events?.length && !news.restart) return;
      state.items = (await source.verdicts(run.id)).items;
      if (state.query) draw(state);
    },
  };
}

function choose(state) {
  const off = [...state.choice.querySelectorAll("input:not(:checked)")].map((one) => one.value);
  change({ without: off.join(",") || null });
}

function draw(state) {
  const without = (state.query.get("without") ?? "").split(",");
  for (const box of state.choice.querySelectorAll("input")) box.checked = !without.includes(box.value);
  const chosen = state.items.filter((one) => !without.includes(one.kind)).reverse();
  const more =
    chosen.length > MOST
      ? h("li", {}, notice(`${whole(chosen.length - MOST)} older ones are not shown.`))
      : null;
  replace(
    state.list,
    chosen.slice(0, MOST).map((one) => item(state.run, one)),
    more,
  );
  if (!chosen.length) replace(state.list, h("li", {}, notice("Nothing yet: no verdict has been given.")));
}

function item(run, one) {
  const at =
    one.count > 1
      ? `steps ${whole(one.from)} to ${whole(one.step)}, ${whole(one.count)} times`
      : `step ${whole(one.step)}`;
  const { sample } = one;
  const links = [
    sample &&
      link(href(["run", run.id, "samples"], { step: sample.step, prompt: sample.index }), "Read the sample"),
    link(href(["run", run.id, "signals"], around(run, one.step)), "See the curves there"),
  ];
  const hasEvidence = one.evidence && Object.keys(one.evidence).length;
  return h(
    "li",
    {
      class: `item is-${one.severity ?? "note"}${one.live === false ? " left" : ""}`,
      id: `event-${one.number}`,
    },
    h(
      "header",
      {},
      h("span", { class: "when" }, at),
      badge(one.severity ?? "note"),
      h("b", {}, one.title ?? one.kind),
      h("span", { class: "note" }, one.kind),
      h("time", { class: "note" }, moment(one.time)),
      one.live === false ? h("span", { class: "note" }, `attempt ${one.attempt}, left by a roll-back`) : null,
    ),
    one.reason ? h("p", {}, one.reason) : null,
    one.remedy ? h("p", { class: "remedy" }, one.remedy) : null,
    h(
      "p",
      { class: "links" },
      links.filter(Boolean).map((each) => [each, " "]),
    ),
    hasEvidence ? h("details", {}, h("summary", {}, "Evidence"), shown(one.evidence)) : null,
  );
}

function around(run, step) {
  const [first, last] = [run.first_step ?? 0, run.last_step ?? step];
  const reach = Math.max(10, Math.round((last - first) / 20));
  return { from: Math.max(first, step - reach), to: Math.max(Math.min(last, step + reach), first + 1) };
}
