/** The mixture of sources: takes bandit.json and its history, gives shares over time, the arms, and why they changed. */

import { h, notice, replace, table } from "../dom.js";
import { loss, number, percent, whole } from "../format.js";
import { stroke } from "../palette.js";
import { shown, words } from "../values.js";
import { curves } from "./curves.js";

const KNOWN = ["share", "floor", "cap", "rows", "documents", "drawn", "epochs", "coverage", "loss", "probe"];

/** Make the tab. */
export async function mixTab(context, run) {
  const there = new Set(run.series.map((one) => one.name));
  const per = (name) =>
    run.sources
      .map((source, index) => ({ name: `${name}[${source}]`, label: source, ...stroke(index) }))
      .filter((line) => there.has(line.name));
  const specs = [
    {
      title: "Shares",
      note: "share of the rows drawn from each source",
      height: 240,
      format: percent,
      lines: per("share").map((line) => ({ ...line, holds: true })),
    },
    {
      title: "Coverage",
      note: "share of a source's documents seen at least once",
      height: 180,
      format: percent,
      lines: per("coverage").map((line) => ({ ...line, holds: true })),
    },
    {
      title: "Held-out loss by source",
      note: "nats per target",
      height: 200,
      lines: per("probe").map((line) => ({ ...line, points: true })),
    },
  ].filter((one) => one.lines.length);
  const page = curves(context, run, specs);
  const about = h("div");
  const load = async () => replace(about, mixture(await context.source.bandit(run.id), run));
  await load();
  const node = h("div", {}, specs.length ? page.node : null, about);
  if (!specs.length) return { node, hear: load };
  return {
    ...page,
    node,
    hear: async (news) => {
      await page.hear(news);
      if (!news || news.new_events?.length) await load();
    },
  };
}

function mixture(bandit, run) {
  const shares = bandit.shares ?? {};
  const names = Object.keys(shares).length ? Object.keys(shares) : run.sources;
  if (!names.length) return notice("This run names no sources.");
  const arms = names.map((name) => ({
    name,
    share: shares[name],
    base: bandit.base?.[name],
    target: bandit.target?.[name],
    ...bandit.arms?.[name],
  }));
  const sentence = bandit.policy ? `Policy ${bandit.policy}, as of step ${whole(bandit.step)}.` : null;
  return [
    h("h2", {}, "Sources"),
    sentence && h("p", {}, sentence),
    table("Sources", columns(arms), arms),
    choices(bandit.choices),
  ];
}

function columns(arms) {
  const has = (key) => arms.some((arm) => arm[key] !== undefined && arm[key] !== null);
  const format = {
    share: percent,
    base: percent,
    target: percent,
    floor: percent,
    cap: percent,
    coverage: percent,
    loss,
    probe: loss,
    epochs: (value) => number(value, 3),
    rows: whole,
    documents: whole,
    drawn: whole,
  };
  const titles = { base: "by size", target: "aimed at", drawn: "rows drawn", probe: "held-out" };
  const own = ["share", "base", "target", ...KNOWN.slice(1)].filter(has);
  const rest = [...new Set(arms.flatMap((arm) => Object.keys(arm)))].filter(
    (key) => key !== "name" && !own.includes(key) && has(key),
  );
  return [
    { name: "source", cell: (arm) => arm.name },
    ...own.map((key) => ({ name: titles[key] ?? key, number: true, cell: (arm) => format[key](arm[key]) })),
    ...rest.map((key) => ({ name: words(key), number: true, cell: (arm) => shown(arm[key], key, 2) })),
  ];
}

function choices(list) {
  if (!list?.length) return h("p", { class: "note" }, "The mixture has not been changed in this run.");
  const columnsOf = [
    { name: "step", number: true, cell: (one) => whole(one.step) },
    { name: "cause", cell: (one) => one.kind ?? "" },
    { name: "reason", cell: (one) => one.reason ?? "" },
    {
      name: "shares",
      cell: (one) =>
        Object.entries(one.shares ?? {})
          .map(([name, share]) => `${name} ${percent(share)}`)
          .join(", "),
    },
  ];
  return [h("h2", {}, "Why it changed"), table("Changes of the mixture", columnsOf, list)];
}
