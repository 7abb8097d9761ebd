/**
 * A chart without any library, for where uPlot could not be installed: lines, bands, levels and marks, no zoom by drag.
 *
 * Takes and gives the same as plot.js.
 */

import { h } from "./dom.js";
import { backdrop } from "./draw.js";
import { number } from "./format.js";
import { paint } from "./palette.js";

const EDGE = { left: 58, right: 26, top: 12, bottom: 26 };
const LEVELS = 5;

/** Make the chart on a canvas. */
export function plain(box, spec, data, { width, height }) {
  const canvas = h("canvas");
  const state = { width, height, data };
  box.append(canvas);
  const paintAll = () => paintChart(canvas, spec, state);
  paintAll();
  return {
    draw: (data) => {
      state.data = data;
      paintAll();
    },
    show: (index, isShown) => {
      spec.lines[index].isShown = isShown;
      paintAll();
    },
    resize: (wide) => {
      state.width = wide;
      paintAll();
    },
    point: (index) =>
      spec.hover(
        index,
        spec.lines.map(() => index),
      ),
    destroy: () => canvas.remove(),
  };
}

function paintChart(canvas, spec, { width, height, data }) {
  const ratio = devicePixelRatio;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const area = scales(canvas.getContext("2d"), spec, { width, height, data, ratio });
  if (!area) return;
  drawAxes(area);
  backdrop(area, spec.backdrop());
  spec.lines.forEach((line, index) => line.isShown && drawLine(area, line, data, index + 1));
}

function scales(context, spec, { width, height, data, ratio }) {
  const seen = data
    .slice(1)
    .filter((_, index) => spec.lines[index].isShown)
    .flat()
    .filter(Number.isFinite);
  if (!data[0].length || !seen.length) return null;
  const [first, last] = spec.range(data[0][0], data[0].at(-1));
  const [low, high] =
    spec.fixed ?? seen.reduce(([a, b], one) => [Math.min(a, one), Math.max(b, one)], [Infinity, -Infinity]);
  const area = {
    context,
    ratio,
    format: spec.format,
    first,
    last,
    low,
    high: high === low ? low + 1 : high,
    left: EDGE.left * ratio,
    top: EDGE.top * ratio,
    width: (width - EDGE.left - EDGE.right) * ratio,
    height: (height - EDGE.top - EDGE.bottom) * ratio,
  };
  const flat = (value) => (spec.log && low > 0 ? Math.log(value) : value);
  area.x = (step) => area.left + (area.width * (step - first)) / (last - first || 1);
  area.y = (value) =>
    area.top + area.height * (1 - (flat(value) - flat(area.low)) / (flat(area.high) - flat(area.low)));
  return area;
}

function drawAxes({ format, context, ratio, left, top, width, height, low, high, first, last, y }) {
  context.font = `${12 * ratio}px system-ui, sans-serif`;
  for (let index = 0; index < LEVELS; index++) {
    const value = low + ((high - low) * index) / (LEVELS - 1);
    context.fillStyle = paint("--grid");
    context.fillRect(left, y(value), width, ratio);
    context.fillStyle = paint("--soft");
    context.fillText(format(value, 3), 4 * ratio, y(value) + 4 * ratio);
  }
  context.fillText(number(first), left, top + height + 18 * ratio);
  const end = number(last);
  context.fillText(end, left + width - context.measureText(end).width, top + height + 18 * ratio);
}

function drawLine({ context, ratio, x, y }, line, data, column) {
  if (line.part !== "last") return;
  const hasBand = data[column - 1] && column > 2 && data[column - 1].length && isBandOf(line);
  if (hasBand) fillBand({ context, x, y }, line, data, column);
  context.strokeStyle = paint(line.color);
  context.lineWidth = (line.width ?? 1.5) * ratio;
  context.setLineDash((line.dash ?? []).map((one) => one * ratio));
  context.beginPath();
  let isDown = false;
  data[column].forEach((value, index) => {
    if (value === undefined) return;
    if (Number.isFinite(value)) context[isDown ? "lineTo" : "moveTo"](x(data[0][index]), y(value));
    isDown = Number.isFinite(value);
  });
  context.stroke();
}

function isBandOf(line) {
  return Boolean(line.band);
}

function fillBand({ context, x, y }, line, data, column) {
  const [low, high] = [data[column - 2], data[column - 1]];
  context.fillStyle = `${paint(line.color)}55`;
  data[0].forEach((step, index) => {
    if (!Number.isFinite(high[index])) return;
    context.fillRect(x(step), y(high[index]), 1, Math.max(1, y(low[index]) - y(high[index])));
  });
}
