/**
 * Charts on one axis of steps: takes a run and the charts to draw, gives a page part that zooms, follows and can be linked.
 *
 * In the address: `from` and `to` (steps), `y=log`, `hide` (names of lines switched off).
 */

import { chart, marksLegend, plainNotice } from "../chart.js";
import { h, notice, replace } from "../dom.js";
import { whole } from "../format.js";
import { change, numeric } from "../route.js";
import { Series } from "../series.js";

const BUCKETS = 800;

/** Make the charts `specs` of a run; gives {node, series, update, hear, renew}. */
export function curves({ source, signal }, run, specs, { hasMarks = true } = {}) {
  const names = specs.flatMap((spec) => spec.lines.map((line) => line.name));
  const slow = new Set((run.series ?? []).filter((one) => one.every === "event").map((one) => one.name));
  const state = {
    run,
    specs,
    series: new Series(source, run.id, names, { buckets: BUCKETS, slow }),
    loaded: null,
  };
  const act = {
    signal,
    zoom: (from, to) => zoom(state, from, to),
    reset: () => zoom(state, null, null),
    toggle: (name, isShown) => hide(name, !isShown),
  };
  state.charts = specs.map((spec) => chart({ sync: "steps", marks: hasMarks, ...spec }, act));
  state.bar = rangeBar(state);
  state.legend = h("div", { class: "unseen-when-empty" });
  state.fault = h("div");
  const node = h(
    "div",
    { class: "curves" },
    plainNotice(),
    state.bar.node,
    state.legend,
    state.fault,
    h(
      "div",
      { class: "charts" },
      state.charts.map((one) => one.node),
    ),
  );
  return {
    node,
    series: state.series,
    update: (query) => update(state, query),
    hear: (news) => hear(state, news),
    renew: (fresh) => {
      state.run = fresh;
      draw(state);
    },
  };
}

async function update(state, query) {
  state.query = query;
  const [from, to] = [numeric(query, "from"), numeric(query, "to")];
  const asked = `${from}:${to}`;
  if (state.loaded === asked) return draw(state);
  state.loaded = asked;
  return load(state);
}

async function load(state) {
  const [from, to] = [numeric(state.query, "from"), numeric(state.query, "to")];
  const say = (fault) => {
    state.loaded = null;
    replace(state.fault, notice(fault.message));
  };
  state.isLoading = true;
  try {
    const { rest } = await state.series.load(from, to, () => draw(state));
    replace(state.fault);
    rest.catch(say).finally(() => loaded(state));
  } catch (fault) {
    state.isLoading = false;
    say(fault);
  }
}

/** Load once more where news came in between: the stream does not tell them twice. */
function loaded(state) {
  state.isLoading = false;
  draw(state);
  if (!state.isBehind) return;
  state.isBehind = false;
  load(state);
}

/** Take in news of the stream; null means that there may be some. */
async function hear(state, news) {
  if (!state.query) return;
  if (state.isLoading) {
    state.isBehind ||= Boolean(news);
    return;
  }
  if (news && !news.restart && !state.series.isWhole) return;
  if (news && state.series.merge(news)) draw(state);
  else await load(state);
}

function draw(state) {
  const { run, query, series } = state;
  const view = {
    from: numeric(query, "from"),
    to: numeric(query, "to"),
    first: run.first_step > 1 ? run.first_step : 0,
    last: run.last_step,
    log: query.get("y") === "log",
    hidden: new Set(query.has("hide") ? query.get("hide").split(",") : initiallyHidden(state.specs)),
    isLoading: state.isLoading,
    marks: run.marks,
    phases: run.phases,
    nonfinite: (name) => (series.lines.get(name)?.nonfinite ?? []).reduce((sum, [, amount]) => sum + amount, 0),
  };
  for (const one of state.charts) one.show(series, view);
  state.bar.show(view);
  replace(state.legend, run.marks?.length ? marksLegend(run.marks) : null);
}

function zoom(state, from, to) {
  const [first, last] = [state.run.first_step ?? 0, state.run.last_step ?? 0];
  const isAll = from === null || to === null || (Math.floor(from) <= first && Math.ceil(to) >= last);
  change(
    isAll
      ? { from: null, to: null }
      : { from: Math.max(0, Math.floor(from)), to: Math.max(Math.floor(from) + 1, Math.ceil(to)) },
    { push: true },
  );
}

function hide(name, isHidden) {
  const shown = new Set(
    [...document.querySelectorAll(".legend button[aria-pressed=false]")].map((one) => one.dataset.name),
  );
  if (isHidden) shown.add(name);
  else shown.delete(name);
  change({ hide: shown.size ? [...shown].join(",") : "none" });
}

function initiallyHidden(specs) {
  return specs.flatMap((spec) => spec.lines.filter((line) => line.isHidden).map((line) => line.name));
}

function rangeBar(state) {
  const from = h("input", {
    type: "text",
    inputmode: "numeric",
    size: 8,
    "aria-label": "from step",
    name: "from",
  });
  const to = h("input", { type: "text", inputmode: "numeric", size: 8, "aria-label": "to step", name: "to" });
  const log = h("input", { type: "checkbox", onchange: () => change({ y: log.checked ? "log" : null }) });
  const apply = (event) => {
    event.preventDefault();
    const [start, end] = [from, to].map((one) => Number(one.value.replaceAll(",", "")));
    if (Number.isFinite(start) && Number.isFinite(end) && end > start) zoom(state, start, end);
  };
  const all = h("button", { type: "button", onclick: () => zoom(state, null, null) }, "All steps");
  const node = h(
    "form",
    { class: "range", onsubmit: apply },
    h("span", {}, "Steps"),
    from,
    h("span", {}, "to"),
    to,
    h("button", { type: "submit" }, "Show"),
    all,
    h("label", {}, log, "Log scale"),
    h("span", { class: "note" }, "Drag over a chart to zoom, double click for all steps."),
  );
  return {
    node,
    show: (view) => {
      from.value = whole(view.from ?? state.run.first_step ?? 0);
      to.value = whole(view.to ?? state.run.last_step ?? 0);
      all.disabled = view.from === null && view.to === null;
      log.checked = view.log;
    },
  };
}
