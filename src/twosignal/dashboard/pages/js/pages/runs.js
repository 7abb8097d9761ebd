/**
 * All runs at a glance: takes the list of runs, gives a line each with status, verdict and both signals.
 *
 * In the address: `find` (part of a name), `state`, and `pick` (runs chosen for comparing).
 */

import { h, link, notice, replace, table } from "../dom.js";
import { ago, loss, moment, number, whole } from "../format.js";
import { poll } from "../live.js";
import { change, href } from "../route.js";
import { spark } from "../spark.js";
import { badge } from "../status.js";

const AT_FIRST = 200;

/** Make the page. */
export async function runsPage({ source, signal }) {
  document.title = "Runs - twosignal";
  const state = { source, most: AT_FIRST, list: h("div", { class: "runs" }) };
  state.answer = await source.runs();
  state.bar = bar(state);
  poll(
    source,
    async () => {
      state.answer = await source.runs().catch(() => state.answer);
      if (state.query) draw(state);
    },
    signal,
  );
  return {
    node: h("section", {}, h("h1", {}, "Runs"), state.bar.node, state.list),
    update: (query) => {
      state.query = query;
      draw(state);
    },
  };
}

function draw(state) {
  const { query, answer } = state;
  const find = (query.get("find") ?? "").toLowerCase();
  const wanted = query.get("state");
  const picked = new Set((query.get("pick") ?? "").split(",").filter(Boolean));
  const chosen = answer.runs.filter(
    (run) => `${run.name ?? ""} ${run.id}`.toLowerCase().includes(find) && (!wanted || run.state === wanted),
  );
  state.bar.show(query, answer.runs, picked);
  if (!answer.runs.length) {
    replace(
      state.list,
      notice(
        "There are no runs in this folder yet. ",
        h("code", {}, "twosignal demo"),
        " makes one in three minutes.",
      ),
    );
    return;
  }
  const more =
    chosen.length > state.most
      ? h(
          "button",
          {
            type: "button",
            onclick: () => {
              state.most += AT_FIRST;
              draw(state);
            },
          },
          `Show more of ${whole(chosen.length)}`,
        )
      : null;
  replace(
    state.list,
    chosen.length ? table("Runs", columns(picked), chosen.slice(0, state.most)) : notice("No run fits."),
    more,
  );
}

function columns(picked) {
  return [
    { name: "run", cell: (run) => named(run, picked) },
    {
      name: "status",
      cell: (run) => [
        badge(run.state),
        " ",
        run.verdict ? badge(run.verdict, run.reason) : "",
        run.reason && run.verdict !== "continue"
          ? h("p", { class: "why", title: run.reason }, run.reason)
          : null,
      ],
    },
    { name: "step", number: true, cell: progress },
    {
      name: "loss",
      number: true,
      cell: (run) =>
        h(
          "span",
          { title: "SMMA over 100 steps; in small: the last step" },
          loss(run.smma),
          h("small", {}, loss(run.loss)),
        ),
    },
    { name: "loss so far", cell: (run) => spark(run.spark, "loss") },
    { name: "held-out", number: true, cell: (run) => loss(run.probe) },
    { name: "coherence", number: true, cell: (run) => number(run.coherence, 3) },
    {
      name: "coherence so far",
      cell: (run) => spark(run.coherence_spark, "coherence", { low: 0, high: 100, color: "--line-2" }),
    },
    {
      name: "samples",
      number: true,
      cell: (run) => (run.samples ? link(href(["run", run.id, "samples"]), whole(run.samples)) : "0"),
    },
    { name: "updated", cell: (run) => h("span", { title: moment(run.updated) }, ago(run.updated)) },
  ];
}

function named(run, picked) {
  const box = h("input", {
    type: "checkbox",
    "aria-label": `choose ${run.name ?? run.id} for comparing`,
    onchange: () => {
      if (box.checked) picked.add(run.id);
      else picked.delete(run.id);
      change({ pick: [...picked].slice(-2).join(",") || null });
    },
  });
  box.checked = picked.has(run.id);
  return h(
    "div",
    { class: "run-name" },
    box,
    h("span", {}, link(href(["run", run.id]), run.name ?? run.id), h("small", {}, run.id)),
  );
}

function progress(run) {
  if (run.step === null || run.step === undefined) return "";
  const of = run.steps ? h("small", {}, `of ${whole(run.steps)}`) : null;
  const meter = run.steps
    ? h("progress", { max: run.steps, value: run.step, "aria-label": "steps done" })
    : null;
  return [whole(run.step), of, meter];
}

function bar(state) {
  const find = h("input", {
    type: "search",
    placeholder: "Find a run",
    "aria-label": "Find a run",
    oninput: () => change({ find: find.value || null }),
  });
  const choice = h("select", {
    "aria-label": "State",
    onchange: () => change({ state: choice.value || null }),
  });
  const compare = h("span", {});
  const said = h("span", { class: "note" });
  return {
    node: h("div", { class: "filters" }, find, choice, said, compare),
    show: (query, runs, picked) => {
      if (document.activeElement !== find) find.value = query.get("find") ?? "";
      const states = [...new Set(runs.map((run) => run.state))].sort();
      replace(
        choice,
        h("option", { value: "" }, "every state"),
        states.map((one) => h("option", { value: one }, one)),
      );
      choice.value = query.get("state") ?? "";
      said.textContent = runs.length === 1 ? "1 run" : `${whole(runs.length)} runs`;
      const [a, b] = picked;
      replace(
        compare,
        b
          ? link(href(["compare"], { a, b }), "Compare the two chosen")
          : picked.size
            ? "Choose one more to compare."
            : null,
      );
    },
  };
}
