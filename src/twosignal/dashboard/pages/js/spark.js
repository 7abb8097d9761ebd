/** A small curve for a table cell: takes at most 60 values, gives an SVG with its story as a label. */

import { svg } from "./dom.js";
import { number } from "./format.js";

const [WIDE, HIGH] = [120, 28];

/** Return the curve of `values` (null for gaps); `low` and `high` fix the scale. */
export function spark(values, name, { low = null, high = null, color = "--line-0" } = {}) {
  const known = (values ?? []).filter((one) => typeof one === "number");
  if (!known.length) return "";
  const bottom = low ?? Math.min(...known);
  const top = high ?? Math.max(...known);
  const x = (index) => 2 + ((WIDE - 4) * index) / Math.max(1, values.length - 1);
  const y = (value) => HIGH - 3 - ((HIGH - 6) * (value - bottom)) / (top - bottom || 1);
  const label = `${name} from ${number(known[0])} to ${number(known.at(-1))}`;
  const last = values.findLastIndex((one) => typeof one === "number");
  return svg(
    "svg",
    {
      class: "spark",
      viewBox: `0 0 ${WIDE} ${HIGH}`,
      width: WIDE,
      height: HIGH,
      role: "img",
      "aria-label": label,
    },
    pieces(values).map((piece) =>
      svg("polyline", {
        fill: "none",
        stroke: `var(${color})`,
        "stroke-width": 1.5,
        points: piece.map(([index, value]) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" "),
      }),
    ),
    svg("circle", { cx: x(last), cy: y(values[last]), r: 2, fill: `var(${color})` }),
  );
}

/** Return the runs of values between gaps. */
function pieces(values) {
  const parts = [[]];
  values.forEach((value, index) => {
    if (typeof value === "number") parts.at(-1).push([index, value]);
    else if (parts.at(-1).length) parts.push([]);
  });
  return parts.filter((one) => one.length > 1);
}
