/**
 * Two runs beside each other: takes two ids, gives their curves on one axis, what their run files differ in, and the
 * first step at which their records differ.
 *
 * In the address: `a`, `b`, `from`, `to`, `y=log`, `hide`.
 */

import { chart, plainNotice } from "../chart.js";
import { h, link, notice, replace, table } from "../dom.js";
import { loss, number, whole } from "../format.js";
import { change, href, numeric } from "../route.js";
import { Series } from "../series.js";
import { badge } from "../status.js";
import { shown } from "../values.js";

const DRAWN = [
  ["smma100", "Loss, SMMA 100", "nats per target"],
  ["probe", "Held-out loss", "nats per target"],
  ["coherence", "Coherence", "0 to 100"],
  ["breadth", "Breadth", "effective number of domains"],
  ["degenerate", "Degenerate", "share of the texts"],
  ["bits_per_byte", "Bits per byte", ""],
  ["gradient_norm", "Gradient norm", ""],
  ["targets_per_second", "Targets per second", ""],
];

/** Make the page. */
export async function comparePage({ source, signal }) {
  document.title = "Compare - twosignal";
  const { runs } = await source.runs();
  const state = { source, signal, runs, body: h("div") };
  const [one, other] = ["a", "b"].map((name) =>
    h(
      "select",
      {
        "aria-label": `run ${name.toUpperCase()}`,
        onchange: (event) => change({ [name]: event.target.value || null, from: null, to: null }),
      },
      h("option", { value: "" }, "choose a run"),
      runs.map((run) => h("option", { value: run.id }, run.id)),
    ),
  );
  Object.assign(state, { one, other });
  return {
    node: h(
      "section",
      {},
      h("h1", {}, "Compare"),
      h("div", { class: "filters" }, one, h("span", {}, "with"), other),
      state.body,
    ),
    update: (query) => update(state, query),
  };
}

async function update(state, query) {
  const [a, b] = [query.get("a"), query.get("b")];
  state.query = query;
  state.one.value = a ?? "";
  state.other.value = b ?? "";
  const pair = JSON.stringify([a, b]);
  if (!a || !b) {
    replace(
      state.body,
      notice("Choose two runs. Their curves, run files and records are then laid beside each other."),
    );
    return;
  }
  try {
    if (state.pair !== pair) await open(state, a, b, pair);
    await draw(state);
  } catch (fault) {
    state.pair = null;
    replace(state.body, notice(fault.message));
  }
}

async function open(state, a, b, pair) {
  state.ending?.abort();
  state.ending = new AbortController();
  state.signal.addEventListener("abort", () => state.ending.abort());
  const found = await state.source.compare(a, b);
  const there = DRAWN.filter(([name]) => found.series.includes(name));
  const names = there.map(([name]) => name);
  state.series = [a, b].map((id) => new Series(state.source, id, names));
  const act = {
    signal: state.ending.signal,
    reset: () => change({ from: null, to: null }, { push: true }),
    zoom: (from, to) => change({ from: Math.floor(from), to: Math.ceil(to) }, { push: true }),
  };
  state.charts = there.map(([name, title, note]) =>
    chart(
      {
        title,
        note,
        sync: "compare",
        height: 190,
        lines: [
          { name: `A ${name}`, label: `A ${found.a.name ?? a}`, color: "--line-0", width: 2 },
          { name: `B ${name}`, label: `B ${found.b.name ?? b}`, color: "--line-1", dash: [7, 3], width: 2 },
        ],
      },
      act,
    ),
  );
  replace(
    state.body,
    plainNotice(),
    verdict(found),
    glance(found),
    h(
      "div",
      { class: "charts two" },
      state.charts.map((one) => one.node),
    ),
    h("h2", {}, "What the run files differ in"),
    differences(found.config),
  );
  state.pair = pair;
  state.range = null;
}

async function draw(state) {
  const [from, to] = [numeric(state.query, "from"), numeric(state.query, "to")];
  if (state.range !== `${from}:${to}`) {
    state.range = `${from}:${to}`;
    await Promise.all(state.series.map((one) => one.load(from, to)));
  }
  const both = Object.assign(Object.create(Series.prototype), {
    lines: new Map(
      state.series.flatMap((series, place) =>
        [...series.lines].map(([name, line]) => [`${"AB"[place]} ${name}`, line]),
      ),
    ),
  });
  for (const one of state.charts) one.show(both, { from, to, log: state.query.get("y") === "log" });
}

function verdict(found) {
  const first = found.first_difference;
  if (found.equal === true)
    return h("p", { class: "headline" }, "The two runs are the same, bit for bit, clocks aside.");
  if (!first) return null;
  return h(
    "p",
    { class: "headline" },
    `They differ from step ${whole(first.step)} on: ${first.column} is `,
    shown(first.a),
    " in A and ",
    shown(first.b),
    " in B.",
  );
}

function glance(found) {
  const rows = [
    ["state", (run) => badge(run.state)],
    ["verdict", (run) => badge(run.verdict) ?? ""],
    ["step", (run) => whole(run.step)],
    ["loss, SMMA 100", (run) => loss(run.smma)],
    ["held-out", (run) => loss(run.probe)],
    ["coherence", (run) => number(run.coherence, 3)],
    ["samples", (run) => whole(run.samples)],
  ];
  const name = (run) => link(href(["run", run.id]), run.id);
  return table(
    "Both at a glance",
    [
      { name: "", cell: ([title]) => title },
      { name: ["A ", name(found.a)], cell: ([, cell]) => cell(found.a) },
      { name: ["B ", name(found.b)], cell: ([, cell]) => cell(found.b) },
    ],
    rows,
  );
}

function differences(list) {
  if (!list.length) return notice("Nothing.");
  return table(
    "Differences of the run files",
    [
      { name: "field", cell: (one) => h("code", {}, one.key) },
      { name: "A", cell: (one) => shown(one.a) },
      { name: "B", cell: (one) => shown(one.b) },
    ],
    list,
  );
}
