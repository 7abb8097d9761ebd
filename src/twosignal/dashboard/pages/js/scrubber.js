/**
 * A slider over the steps that have samples: takes the steps and a curve to show behind it, calls back with a step.
 *
 * The arrow keys work anywhere on the page, but in fields.
 */

import { h, replace, svg } from "./dom.js";
import { whole } from "./format.js";

const [WIDE, HIGH] = [600, 36];
const FIELDS = ["INPUT", "SELECT", "TEXTAREA"];

/** Make the slider; gives {node, show(steps, heights, step)}. */
export function scrubber(choose, signal) {
  const state = { steps: [], at: 0 };
  const go = (at) => {
    if (state.steps.length) choose(state.steps[Math.min(state.steps.length - 1, Math.max(0, at))]);
  };
  const slider = h("input", {
    type: "range",
    min: 0,
    max: 0,
    value: 0,
    "aria-label": "Step of the sampling",
    oninput: () => go(Number(slider.value)),
  });
  const button = (label, title, move) =>
    h("button", { type: "button", "aria-label": title, title, onclick: () => go(move()) }, label);
  const said = h("output", { class: "at" });
  const curve = svg("svg", {
    viewBox: `0 0 ${WIDE} ${HIGH}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  const node = h(
    "div",
    { class: "scrubber" },
    h(
      "div",
      { class: "buttons" },
      button("|<", "first sampling", () => 0),
      button("<", "sampling before", () => state.at - 1),
      said,
      button(">", "next sampling", () => state.at + 1),
      button(">|", "newest sampling", () => state.steps.length - 1),
    ),
    h("div", { class: "track" }, curve, slider),
  );
  addEventListener("keydown", (event) => keyed(event, state, go), { signal });
  return {
    node,
    show: (steps, heights, step) => {
      Object.assign(state, {
        steps,
        at: Math.max(
          0,
          steps.findLastIndex((one) => one <= step),
        ),
      });
      slider.max = Math.max(0, steps.length - 1);
      slider.value = state.at;
      slider.setAttribute("aria-valuetext", `step ${whole(steps[state.at])}`);
      replace(
        said,
        `step ${whole(steps[state.at])}`,
        h("small", {}, `sampling ${whole(state.at + 1)} of ${whole(steps.length)}`),
      );
      drawCurve(curve, heights, state.at);
    },
  };
}

function keyed(event, state, go) {
  const moves = { ArrowLeft: state.at - 1, ArrowRight: state.at + 1, Home: 0, End: state.steps.length - 1 };
  const isBusy = FIELDS.includes(event.target.tagName) || event.target.closest?.(".plot, .scroll, .tabs");
  if (!(event.key in moves) || isBusy || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  go(moves[event.key]);
}

function drawCurve(curve, heights, at) {
  const known = heights.map((one, index) => [index, one]).filter(([, one]) => typeof one === "number");
  const x = (index) => (heights.length > 1 ? (WIDE * index) / (heights.length - 1) : WIDE / 2);
  const y = (value) => HIGH - 2 - ((HIGH - 4) * value) / 100;
  const stride = Math.max(1, Math.floor(known.length / WIDE));
  const points = known
    .filter((_, index) => index % stride === 0)
    .map(([index, one]) => `${x(index).toFixed(1)},${y(one).toFixed(1)}`);
  replace(
    curve,
    svg("polyline", {
      points: points.join(" "),
      fill: "none",
      "stroke-width": 1.5,
      class: "curve",
      "vector-effect": "non-scaling-stroke",
    }),
    svg("line", {
      x1: x(at),
      x2: x(at),
      y1: 0,
      y2: HIGH,
      class: "here",
      "vector-effect": "non-scaling-stroke",
    }),
  );
}
