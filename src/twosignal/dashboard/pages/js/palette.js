/** Colours of lines: Okabe and Ito's eight, told apart by all kinds of colour vision, and dashes besides. */

const SLOTS = 7;
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2]];

/** Return {color, dash} of the line with this number; colour alone never tells two lines apart. */
export function stroke(index) {
  return {
    color: `--line-${index % SLOTS}`,
    dash: DASHES[(index + Math.floor(index / SLOTS)) % DASHES.length],
  };
}

/** Return the value of a colour named in the style sheet, for the canvas. */
export function paint(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";
}
