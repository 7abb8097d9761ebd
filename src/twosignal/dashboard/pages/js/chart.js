/**
 * A chart with everything around it: title, legend with values, summary in words, table, keyboard.
 *
 * Takes what to draw, gives {node, show(series, view)}; charts of one page share one axis of steps and one cursor.
 */

import { h, replace, table } from "./dom.js";
import { MARKS } from "./draw.js";
import { moment, number, whole } from "./format.js";
import { hasPlot, plot } from "./plot.js";
import { plain } from "./plain.js";

const TABLE_ROWS = 100;
const NEAR_MARK_PIXELS = 8;

/**
 * Make a chart.
 *
 * `spec`: {title, note, lines: [{name, label, color, dash, width, band, points, isHidden}], levels, height, sync, time,
 * marks: true to draw the marks, format: how values are written, fixed: [lowest, highest]};
 * `act`: {zoom(from, to), reset(), toggle(name, isShown)}.
 */
export function chart(spec, act) {
  const state = { spec, act, log: false, plot: null, view: {}, data: [[]], values: new Map() };
  state.lines = spec.lines.flatMap(parts);
  state.box = h("div", {
    class: "plot",
    tabindex: 0,
    role: "img",
    "aria-label": spec.title,
    onkeydown: (event) => steer(state, event),
  });
  state.summary = h("p", { class: "summary" });
  state.near = h("span", { class: "near", "aria-live": "polite" });
  state.table = h("div", { class: "as-table" });
  state.legend = h(
    "div",
    { class: "legend" },
    spec.lines.map((line) => key(state, line)),
  );
  state.node = h(
    "figure",
    { class: "chart" },
    h(
      "figcaption",
      {},
      h("h2", {}, spec.title),
      spec.note && h("span", { class: "note" }, spec.note),
      state.near,
    ),
    state.legend,
    state.box,
    state.summary,
    h(
      "details",
      { ontoggle: (event) => event.target.open && fillTable(state) },
      h("summary", {}, "Table"),
      state.table,
    ),
  );
  observe(state);
  return { node: state.node, show: (series, view) => show(state, series, view) };
}

function parts(line) {
  const own = { ...line, part: "last", isShown: !line.isHidden };
  return line.band ? [{ ...own, part: "min" }, { ...own, part: "max" }, own] : [own];
}

function key(state, line) {
  const value = h("span", { class: "value" });
  state.values.set(line.name, value);
  const swatch = h("span", {
    class: "swatch",
    "aria-hidden": "true",
    style: {
      "border-top-color": `var(${line.color})`,
      "border-top-style": line.dash?.length ? "dashed" : "solid",
    },
  });
  return h(
    "button",
    {
      type: "button",
      "aria-pressed": String(!line.isHidden),
      "data-name": line.name,
      "aria-label": line.label,
      onclick: (event) => toggle(state, line.name, event.currentTarget),
    },
    swatch,
    line.label,
    " ",
    value,
  );
}

function toggle(state, name, button) {
  const isShown = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(isShown));
  setShown(state, name, isShown);
  state.act.toggle?.(name, isShown);
}

function setShown(state, name, isShown) {
  state.lines.forEach((line, index) => {
    if (line.name !== name) return;
    line.isShown = isShown;
    state.plot?.show(index, isShown);
  });
}

/** Draw `series` in `view`: {from, to, first, last, log, hidden, marks, phases}. */
function show(state, series, view) {
  const isOtherScale = state.log !== Boolean(view.log);
  state.view = view;
  state.log = Boolean(view.log);
  const { x, columns } = series.columns(state.lines, view.to ?? view.last ?? null);
  state.data = [x, ...columns];
  state.hasValues = columns.some((one) => one.some(Number.isFinite));
  state.node.hidden = !state.hasValues && Boolean(state.spec.isOptional);
  state.lines.forEach((line) => {
    line.isShown = !(view.hidden ?? new Set()).has(line.name);
  });
  for (const [name, value] of state.values) {
    value.closest("button").setAttribute("aria-pressed", String(!(view.hidden ?? new Set()).has(name)));
  }
  if (!state.plot || isOtherScale) rebuild(state);
  else refresh(state);
  describe(state);
  hover(state, null, []);
  if (state.node.querySelector("details").open) fillTable(state);
}

function refresh(state) {
  state.plot.draw(drawable(state));
  state.lines.forEach((line, index) => state.plot.show(index, line.isShown));
}

/** Return the columns without what a scale of logarithms cannot show. */
function drawable({ log, data }) {
  return log ? data.map((one, index) => (index ? one.map(positive) : one)) : data;
}

function positive(value) {
  return value === undefined || value > 0 ? value : null;
}

function observe(state) {
  const sized = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (!width) return;
    state.width = width;
    if (state.plot) state.plot.resize(width);
    else rebuild(state);
  });
  sized.observe(state.box);
  state.act.signal.addEventListener("abort", () => {
    sized.disconnect();
    state.plot?.destroy();
  });
  addEventListener("themechange", () => state.plot && rebuild(state), { signal: state.act.signal });
}

/** Make the chart anew, once its width and its data are known. */
function rebuild(state) {
  state.plot?.destroy();
  state.plot = null;
  if (state.width && state.data[0].length) build(state);
}

function build(state) {
  const { spec, act } = state;
  const about = {
    lines: state.lines,
    log: state.log,
    time: spec.time,
    sync: spec.sync,
    fixed: spec.fixed,
    format: spec.format ?? number,
    range: (low, high) => span(state.view, low, high),
    backdrop: () => ({
      phases: state.view.phases ?? [],
      levels: spec.levels ?? [],
      marks: spec.marks ? (state.view.marks ?? []) : [],
    }),
    zoom: act.zoom ?? (() => {}),
    reset: act.reset ?? (() => {}),
    hover: (index, each) => hover(state, index, each),
  };
  const size = { width: state.width, height: spec.height ?? 200 };
  state.plot = (hasPlot() ? plot : plain)(state.box, about, drawable(state), size);
}

/** Return the steps shown: what the address says, else those of the run, else those of the data. */
function span({ from, to, first, last }, low, high) {
  const start = from ?? first ?? low ?? 0;
  const end = to ?? last ?? high ?? start + 1;
  return [start, end > start ? end : start + 1];
}

function hover(state, index, each) {
  const [x] = state.data;
  state.index = index;
  state.lines.forEach((line, at) => {
    if (line.part !== "last") return;
    const values = state.data[at + 1] ?? [];
    const place = index === null ? values.findLastIndex(Number.isFinite) : (each[at] ?? index);
    state.values.get(line.name).textContent =
      index === null || Number.isFinite(values[place]) ? said(state, values[place]) : "none";
  });
  const place = index === null || x[index] === undefined ? "" : position(state, x[index]);
  state.near.textContent = place && document.activeElement === state.box ? `${place}; ${read(state)}` : place;
}

/** Return the values at the cursor in words, for a reader who moves it by keys. */
function read(state) {
  return state.spec.lines.map((line) => `${line.label} ${state.values.get(line.name).textContent}`).join(", ");
}

function position(state, x) {
  if (state.spec.time) return moment(x);
  const [first, last] = [state.data[0][0], state.data[0].at(-1)];
  const reach = ((last - first) * NEAR_MARK_PIXELS) / (state.width || 1);
  const marks = state.spec.marks
    ? (state.view.marks ?? []).filter((one) => Math.abs(one.step - x) <= reach)
    : [];
  return [`step ${whole(x)}`, ...marks.slice(0, 2).map((one) => one.label)].join(": ");
}

/** Arrow keys move the cursor, plus and minus zoom, 0 or Escape shows everything. */
function steer(state, event) {
  const [x] = state.data;
  const [at, last] = [state.index ?? x.length - 1, x.length - 1];
  const near = Math.max(1, Math.round(x.length / 8));
  const moves = {
    ArrowLeft: at - 1,
    ArrowRight: at + 1,
    PageUp: at - 10,
    PageDown: at + 10,
    Home: 0,
    End: last,
  };
  if (event.key in moves) state.plot?.point(Math.min(last, Math.max(0, moves[event.key])));
  else if (event.key === "+") state.act.zoom?.(x[Math.max(0, at - near)], x[Math.min(last, at + near)]);
  else if (["-", "0", "Escape"].includes(event.key)) state.act.reset?.();
  else return;
  event.preventDefault();
}

function describe(state) {
  const words = state.lines
    .map((line, at) => (line.part === "last" ? sentence(line, state, at + 1) : null))
    .filter(Boolean);
  const odd = state.spec.lines.map((line) => state.view.nonfinite?.(line.name) ?? 0).reduce((a, b) => a + b, 0);
  const warning = odd ? ` ${whole(odd)} values are not finite and not drawn.` : "";
  replace(
    state.summary,
    words[0] ?? (state.view.isLoading ? "Reading the records ..." : "No values yet."),
    warning,
    words.length > 1 && h("span", { class: "unseen" }, ` ${words.slice(1).join(" ")}`),
  );
  state.box.setAttribute("aria-label", `${state.spec.title}. ${words.join(" ")}`);
}

function sentence(line, state, column) {
  const [x] = state.data;
  const values = state.data[column];
  const places = values
    .map((value, index) => (Number.isFinite(value) ? index : -1))
    .filter((index) => index >= 0);
  if (!places.length) return null;
  const least = line.band ? state.data[column - 2] : values;
  const most = line.band ? state.data[column - 1] : values;
  const lowest = places.reduce((best, one) => (least[one] < least[best] ? one : best));
  const highest = places.reduce((best, one) => (most[one] > most[best] ? one : best));
  const [first, last] = [places[0], places.at(-1)];
  const at = (index) => (state.spec.time ? moment(x[index]) : `step ${whole(x[index])}`);
  const value = (one) => said(state, one);
  return (
    `${line.label}: ${value(values[first])} at ${at(first)}, ${value(values[last])} at ${at(last)}; ` +
    `lowest ${value(least[lowest])} near ${at(lowest)}, highest ${value(most[highest])} near ${at(highest)}.`
  );
}

function said(state, value) {
  return (state.spec.format ?? number)(value);
}

function fillTable(state) {
  const [x] = state.data;
  const stride = Math.max(1, Math.ceil(x.length / TABLE_ROWS));
  const places = x.map((_, index) => index).filter((index) => index % stride === 0 || index === x.length - 1);
  const columns = state.lines.map((line, at) => ({
    number: true,
    name: line.part === "last" ? line.label : `${line.label}, ${line.part}`,
    cell: (index) => said(state, state.data[at + 1]?.[index]),
  }));
  const first = {
    name: state.spec.time ? "time" : "step",
    number: true,
    cell: (index) => (state.spec.time ? moment(x[index]) : whole(x[index])),
  };
  const note = stride > 1 ? h("p", { class: "note" }, `Every ${stride}th point; zoom in for more.`) : null;
  replace(state.table, note, table(state.spec.title, [first, ...columns], places));
}

/** Return what the letters on a chart mean, for the kinds that are there. */
export function marksLegend(marks) {
  const kinds = [...new Set(marks.map((one) => one.kind))].filter((kind) => kind in MARKS);
  return h(
    "p",
    { class: "note marks" },
    kinds.map((kind) =>
      h(
        "span",
        {},
        h("b", { style: { color: `var(${MARKS[kind].color})` } }, MARKS[kind].sign || "|"),
        ` ${kind}`,
      ),
    ),
  );
}

/** Say where plain charts come from, or nothing where the library is there. */
export function plainNotice() {
  return hasPlot()
    ? null
    : h(
        "p",
        { class: "notice" },
        "Charts are plain, without zoom by drag: the chart library could " +
          "not be fetched when twosignal was installed. With npm's registry in reach, install again: ",
        h("code", {}, "pip install --force-reinstall --no-deps twosignal"),
        ".",
      );
}
