/** What stands behind the lines of a chart: takes a canvas context and scales, draws phases, levels and marks. */

import { paint } from "./palette.js";

const LETTER = 12;
const MOST_ROWS = 4;
export const MARKS = {
  verdict: { sign: "V", color: "--line-1" },
  action: { sign: "A", color: "--line-5" },
  switch: { sign: "S", color: "--line-2" },
  finding: { sign: "F", color: "--line-3" },
  checkpoint: { sign: "", color: "--faint" },
  end: { sign: "E", color: "--ink" },
};

/** Draw what is in view; `area` is {context, left, top, width, height, ratio, x(step), y(value)} in canvas pixels. */
export function backdrop(area, { phases = [], levels = [], marks = [] }) {
  const { context, left, top, width, height, ratio } = area;
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.font = `${11 * ratio}px system-ui, sans-serif`;
  phases.forEach((phase, index) => drawPhase(area, phase, index));
  levels.forEach((level) => drawLevel(area, level));
  rows(area, marks).forEach((row, index) => drawMark(area, marks[index], row));
  context.restore();
}

function drawPhase({ context, top, height, ratio, x }, { name, from, to }, index) {
  const [start, end] = [x(from), x(to)];
  context.fillStyle = paint(index % 2 ? "--phase-odd" : "--phase-even");
  context.fillRect(start, top, end - start, height);
  context.fillStyle = paint("--faint");
  context.fillText(name, start + 4 * ratio, top + height - 6 * ratio, Math.max(0, end - start - 6 * ratio));
}

function drawLevel({ context, left, width, ratio, y }, { value, label }) {
  const at = y(value);
  context.strokeStyle = context.fillStyle = paint("--faint");
  context.lineWidth = ratio;
  context.setLineDash([2 * ratio, 4 * ratio]);
  line(context, left, at, left + width, at);
  const beside = context.measureText(label).width;
  context.fillText(label, left + width - beside - 12 * ratio, at - 4 * ratio);
}

/** Return how far down the letter of each mark stands, so that neighbours do not cover each other. */
function rows({ x, ratio }, marks) {
  const taken = [];
  return marks.map(({ step, kind }) => {
    if (kind === "checkpoint") return 0;
    const free = taken.findIndex((at) => x(step) - at > LETTER * ratio);
    const row = free < 0 ? Math.min(taken.length, MOST_ROWS - 1) : free;
    taken[row] = x(step);
    return row;
  });
}

function drawMark({ context, left, top, width, height, ratio, x }, { step, kind }, row) {
  const { sign, color } = MARKS[kind] ?? MARKS.verdict;
  const at = x(step);
  context.strokeStyle = context.fillStyle = paint(color);
  context.lineWidth = ratio;
  context.setLineDash([]);
  if (kind === "checkpoint") {
    line(context, at, top + height - 5 * ratio, at, top + height);
    return;
  }
  context.setLineDash([3 * ratio, 3 * ratio]);
  line(context, at, top + LETTER * (row + 1) * ratio, at, top + height);
  const wide = context.measureText(sign).width;
  context.fillText(
    sign,
    Math.min(Math.max(left, at - wide / 2), left + width - wide),
    top + (LETTER * row + 10) * ratio,
  );
}

function line(context, fromX, fromY, toX, toY) {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}
