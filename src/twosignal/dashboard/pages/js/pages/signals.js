/** The curves of a run: takes what series it has, gives the tabs of both signals, of loss and of training. */

import { h, notice } from "../dom.js";
import { bytes, number } from "../format.js";
import { stroke } from "../palette.js";
import { curves } from "./curves.js";

const RAW = { name: "loss", label: "loss", color: "--line-6", width: 1, band: true };

/** Both signals on one axis of steps: the loss, and what the model says. */
export function signalsTab(context, run) {
  const has = known(run);
  return curves(
    context,
    run,
    [
      {
        title: "Loss",
        note: "nats per target",
        height: 230,
        levels: chance(run),
        lines: has([
          { ...RAW },
          { name: "smma100", label: "SMMA 100", color: "--line-0", width: 2 },
          { name: "probe", label: "held-out", color: "--line-1", dash: [7, 3], points: true },
        ]),
      },
      {
        title: "Coherence",
        note: "0 to 100, mean of the panel; the band spans its texts",
        height: 190,
        fixed: [0, 100],
        lines: has([
          { name: "coherence", label: "coherence", color: "--line-2", width: 2, band: true, points: true },
        ]),
      },
      {
        title: "Degenerate and copied",
        note: "share of the texts of a sampling",
        height: 150,
        fixed: [0, 1],
        lines: has([
          { name: "degenerate", label: "degenerate", color: "--line-1", points: true },
          { name: "copied", label: "copied", color: "--line-0", dash: [7, 3], points: true },
        ]),
      },
      {
        title: "Breadth",
        note: "effective number of domains, last 8 samplings",
        height: 150,
        lines: has([{ name: "breadth", label: "breadth", color: "--line-5", points: true }]),
      },
      {
        title: "Loss of samples",
        note: "nats per token of what the model wrote",
        height: 150,
        lines: has([
          { name: "sample_loss", label: "sample loss", color: "--line-3", band: true, points: true },
        ]),
      },
    ].filter((one) => one.lines.length),
  );
}

/** The loss in all its readings. */
export function lossTab(context, run) {
  const has = known(run);
  const per = (name) =>
    run.sources.map((source, index) => ({ name: `${name}[${source}]`, label: source, ...stroke(index) }));
  const page = curves(
    context,
    run,
    [
      {
        title: "Loss",
        note: "nats per target; the band holds every step",
        height: 300,
        levels: chance(run),
        lines: has([
          { ...RAW },
          { name: "smma10", label: "SMMA 10", color: "--line-4", isHidden: true },
          { name: "smma100", label: "SMMA 100", color: "--line-0", width: 2 },
          { name: "smma1000", label: "SMMA 1000", color: "--line-1", dash: [7, 3], width: 2 },
        ]),
      },
      {
        title: "Held-out loss",
        note: "fixed probes; mix-adjusted: weighted by a fixed mixture",
        levels: chance(run),
        lines: has([
          { name: "probe", label: "all", color: "--ink", width: 2, points: true },
          { name: "mix_adjusted", label: "mix-adjusted", color: "--line-1", dash: [7, 3], points: true },
          ...per("probe").map((line) => ({ ...line, points: true })),
        ]),
      },
      { title: "Loss by source", note: "SMMA 100", lines: has(per("smma100")) },
      {
        title: "Perplexity",
        note: "exp(loss)",
        height: 160,
        lines: has([{ name: "ppl", label: "perplexity", color: "--line-2", band: true }]),
      },
      {
        title: "Bits per byte",
        note: "comparable across tokenizers",
        height: 160,
        lines: has([
          { name: "bits_per_byte", label: "trained", color: "--line-0", band: true },
          { name: "probe_bits_per_byte", label: "held-out", color: "--line-1", dash: [7, 3], points: true },
        ]),
      },
    ].filter((one) => one.lines.length),
  );
  page.node.append(
    h(
      "p",
      { class: "note" },
      "SMMA: S0 = x0, then St = (S(t-1) (N-1) + xt) / N. Random chance: ln of the " +
        `vocabulary${run.vocab ? `, ln ${number(run.vocab)}` : ""}. A line shows the last value of each bucket of steps, ` +
        "the band its lowest and highest: no step is left out.",
    ),
  );
  return page;
}

/** Gradients, learning rate, speed, and every other column of the run. */
export function trainingTab(context, run) {
  const drawn = {
    gradient_norm: ["Gradient norm", "before clipping", "--line-1"],
    learning_rate: ["Learning rate", "", "--line-0"],
    targets_per_second: ["Targets per second", "supervised tokens", "--line-2"],
    tokens_per_second: ["Tokens per second", "", "--line-3"],
    seconds: ["Seconds per step", "", "--line-5"],
    memory_bytes: ["Memory", "of the training process", "--line-4", bytes],
    targets: ["Targets per step", "", "--line-0"],
    tokens: ["Tokens per step", "", "--line-3"],
    rows: ["Rows per step", "", "--line-5"],
  };
  const rest = run.series
    .filter((one) => ["optimizer", "speed", "columns", "system"].includes(one.group) && !(one.name in drawn))
    .slice(0, 40);
  const there = new Set(run.series.map((one) => one.name));
  const own = Object.entries(drawn)
    .filter(([name]) => there.has(name))
    .map(([name, [title, note, color, format]]) => ({
      title,
      note,
      format,
      height: 170,
      lines: [{ name, label: title.toLowerCase(), color, band: true }],
    }));
  const more = rest.map(({ name, title, unit }, index) => ({
    title: title ?? name,
    note: unit,
    height: 150,
    isOptional: true,
    lines: [{ name, label: title ?? name, ...stroke(index), dash: [], band: true }],
  }));
  if (!own.length && !more.length) return { node: notice("This run has recorded no steps yet.") };
  return curves(context, run, [...own, ...more]);
}

function known(run) {
  const names = new Set(run.series.map((one) => one.name));
  return (lines) => lines.filter((line) => names.has(line.name));
}

function chance(run) {
  const levels = [{ value: run.random_chance, label: "random chance" }];
  if (typeof run.unigram_loss === "number")
    levels.push({ value: run.unigram_loss, label: "word frequencies alone" });
  return levels.filter((one) => typeof one.value === "number");
}
