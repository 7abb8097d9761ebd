/**
 * A chart by uPlot: takes a box, a description and columns, gives {draw, resize, point, destroy}.
 *
 * plain.js gives the same where uPlot was not installed.
 */

import { backdrop } from "./draw.js";
import { paint } from "./palette.js";
import { moment, whole } from "./format.js";

const NARROWEST_ZOOM = 6;

/** Return whether the library is there. */
export function hasPlot() {
  return typeof window.uPlot === "function";
}

/** Make the chart of `data`; `spec` is {lines, log, time, sync, span, range, backdrop(), zoom, reset, hover}. */
export function plot(box, spec, data, { width, height }) {
  const chart = new window.uPlot(options(spec, width, height), data, box);
  return {
    draw: (data) => chart.setData(data),
    show: (index, isShown) =>
      isShown === chart.series[index + 1].show || chart.setSeries(index + 1, { show: isShown }, false),
    resize: (wide) => chart.setSize({ width: wide, height }),
    point: (index) => chart.setCursor({ left: chart.valToPos(chart.data[0][index], "x"), top: 10 }),
    destroy: () => chart.destroy(),
  };
}

function options(spec, width, height) {
  return {
    width,
    height,
    legend: { show: false },
    padding: [10, 26, 0, 0],
    cursor: cursor(spec),
    scales: {
      x: { time: Boolean(spec.time), range: (_, low, high) => spec.range(low, high) },
      y: {
        distr: spec.log ? 3 : 1,
        range: spec.log ? undefined : (_, low, high) => spec.fixed ?? levelRange(low, high),
      },
    },
    axes: [
      axis({
        size: 28,
        values: (_, ticks) => ticks.map((one) => (spec.time ? moment(one).slice(11) : whole(one))),
      }),
      axis({ size: 58, values: (_, ticks) => ticks.map((one) => (one === null ? "" : spec.format(one, 3))) }),
    ],
    series: [{}, ...spec.lines.map(series)],
    bands: bands(spec.lines),
    hooks: {
      drawClear: [(chart) => beside(chart, spec, ["phases"])],
      draw: [(chart) => beside(chart, spec, ["levels", "marks"])],
      setSelect: [(chart) => selected(chart, spec)],
      setCursor: [(chart) => spec.hover(chart.cursor.idx ?? null, chart.cursor.idxs?.slice(1) ?? [])],
    },
  };
}

function cursor(spec) {
  return {
    sync: spec.sync ? { key: spec.sync, scales: ["x", null] } : undefined,
    drag: { x: true, y: false, setScale: false },
    y: false,
    points: { size: 6 },
    dataIdx: nearest,
    bind: {
      dblclick: () => () => {
        spec.reset();
        return null;
      },
    },
  };
}

/** Return the place of the nearest value of a line, so that a line with few points answers everywhere. */
function nearest(chart, line, at) {
  const values = chart.data[line];
  if (line === 0 || values[at] !== undefined) return at;
  for (let away = 1; away < values.length; away++) {
    if (values[at - away] !== undefined) return at - away;
    if (values[at + away] !== undefined) return at + away;
  }
  return at;
}

function series(line) {
  const hidden = line.part !== "last";
  return {
    show: line.isShown,
    scale: "y",
    stroke: hidden ? undefined : () => paint(line.color),
    width: hidden ? 0 : (line.width ?? 1.5),
    dash: line.dash,
    paths: line.holds ? window.uPlot.paths.stepped({ align: 1 }) : undefined,
    points: hidden
      ? { show: false }
      : { show: line.points ? true : undefined, size: 5, fill: () => paint(line.color) },
    spanGaps: false,
  };
}

/** Return the shaded bands; a line's minimum and maximum stand before it. */
function bands(lines) {
  return lines.flatMap((line, index) =>
    line.part === "max" && lines[index - 1]?.part === "min"
      ? [{ series: [index + 1, index], fill: () => `${paint(line.color)}5c` }]
      : [],
  );
}

function axis(more) {
  return {
    stroke: () => paint("--soft"),
    grid: { stroke: () => paint("--grid"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    ...more,
  };
}

function levelRange(low, high) {
  if (low === null || high === null) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.05;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}

/** Draw what is no line: phases behind the lines, levels and marks before them. */
function beside(chart, spec, kinds) {
  const { left, top, width, height } = chart.bbox;
  const at = (scale) => (value) => chart.valToPos(value, scale, true);
  const area = {
    context: chart.ctx,
    left,
    top,
    width,
    height,
    ratio: devicePixelRatio,
    x: at("x"),
    y: at("y"),
  };
  const { min, max } = chart.scales.x;
  const { min: low, max: high } = chart.scales.y;
  const { phases, levels, marks } = spec.backdrop();
  const inView = {
    phases: phases.filter(({ from, to }) => to >= min && from <= max),
    levels: levels.filter(({ value }) => value >= low && value <= high),
    marks: marks.filter(({ step }) => step >= min && step <= max),
  };
  backdrop(area, Object.fromEntries(kinds.map((kind) => [kind, inView[kind]])));
}

function selected(chart, spec) {
  const { left, width } = chart.select;
  if (width >= NARROWEST_ZOOM) spec.zoom(chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
  chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}
