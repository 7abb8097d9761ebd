/** One run: takes its id and the name of a tab, gives header, tabs and the tab's page, and keeps them fresh. */

import { h, link, notice, replace } from "../dom.js";
import { ago, loss, number, whole } from "../format.js";
import { follow } from "../live.js";
import { href } from "../route.js";
import { badge } from "../status.js";
import { lossTab, signalsTab, trainingTab } from "./signals.js";

const TABS = [
  ["signals", "Both signals"],
  ["loss", "Loss"],
  ["samples", "Samples"],
  ["mix", "Mix"],
  ["timeline", "Timeline"],
  ["proof", "Proof"],
  ["checkpoints", "Checkpoints"],
  ["training", "Training"],
  ["audit", "Audit"],
  ["config", "Config"],
];
const AT_ONCE = { signals: signalsTab, loss: lossTab, training: trainingTab };
const LATER = {
  samples: "samplesTab",
  mix: "mixTab",
  timeline: "timelineTab",
  proof: "proofTab",
  checkpoints: "checkpointsTab",
  audit: "auditTab",
  config: "configTab",
  document: "documentTab",
};
/** Tabs that are fetched when first asked for: the file, and the function in it. */
const RENEW_MILLISECONDS = 4000;

/** Make the page of the run that the path names. */
export async function runPage(context) {
  const [, id, tab = "signals"] = context.path;
  const [run, make] = await Promise.all([context.source.run(id), tabMaker(tab)]);
  document.title = `${run.name ?? id} - twosignal`;
  const state = { context, run, head: h("div", { class: "run-head" }), renewed: Date.now() };
  const inner = make ? await make(context, run) : { node: notice("There is no such page of a run.") };
  showHead(state);
  const node = h(
    "article",
    { class: "run" },
    state.head,
    tabs(id, tab),
    h("section", { class: "tab" }, inner.node),
  );
  return {
    node,
    update: async (query) => {
      await inner.update?.(query);
      if (!state.isFollowing) listen(state, inner);
    },
  };
}

async function tabMaker(tab) {
  if (Object.hasOwn(AT_ONCE, tab)) return AT_ONCE[tab];
  if (!Object.hasOwn(LATER, tab)) return null;
  return (await import(`./${tab}.js`))[LATER[tab]];
}

function tabs(id, current) {
  return h(
    "nav",
    { class: "tabs", "aria-label": "Pages of this run" },
    TABS.map(([name, label]) =>
      h("a", { href: href(["run", id, name]), "aria-current": name === current ? "page" : null }, label),
    ),
  );
}

/** Follow the run; a run that has ended is followed too, since it may be resumed. */
function listen(state, inner) {
  state.isFollowing = true;
  const { source, signal } = state.context;
  const series = inner.series ?? { names: ["loss"], cursor: state.run.cursor, width: null };
  follow(source, state.run.id, { series, signal, hear: (news) => hear(state, inner, news) });
}

async function hear(state, inner, news) {
  const isOther = !news || news.state !== state.run.state || news.restart || news.new_events?.length;
  if (news) Object.assign(state.run, { step: news.step, last_step: news.step, state: news.state });
  if (isOther && Date.now() - state.renewed > RENEW_MILLISECONDS) await renew(state, inner);
  showHead(state);
  await inner.hear?.(news, state.run);
}

async function renew(state, inner) {
  state.renewed = Date.now();
  try {
    state.run = await state.context.source.run(state.run.id);
    inner.renew?.(state.run);
  } catch {
    /* the next news asks again; what is shown stays */
  }
}

function showHead(state) {
  const { run } = state;
  const figures = [
    ["step", `${whole(run.step)}${run.steps ? ` of ${whole(run.steps)}` : ""}`],
    ["loss", loss(run.loss)],
    ["SMMA 100", loss(run.smma)],
    ["held-out", loss(run.probe)],
    ["random chance", loss(run.random_chance)],
    ["coherence", number(run.coherence, 3)],
    ["parameters", run.parameters ? whole(run.parameters) : null],
    ["updated", ago(run.updated)],
  ];
  const verdict =
    run.verdict &&
    h(
      "p",
      { class: "verdict" },
      badge(run.verdict),
      " ",
      link(href(["run", run.id, "timeline"]), run.reason ?? ""),
    );
  replace(
    state.head,
    h(
      "h1",
      {},
      run.name ?? run.id,
      " ",
      badge(run.state),
      run.attempt ? h("span", { class: "note" }, `attempt ${run.attempt}`) : null,
    ),
    h("p", { class: "note id" }, run.id),
    verdict,
    run.verdict ? null : run.reason && notice(run.reason),
    h(
      "dl",
      { class: "figures" },
      figures
        .filter(([, value]) => value !== null)
        .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
  );
}
