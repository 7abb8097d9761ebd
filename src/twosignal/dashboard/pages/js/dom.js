/**
 * Elements: takes a tag, attributes and children, gives a node.
 *
 * What runs are named and what models write is hostile: it enters a page as text nodes and nowhere else.
 */

const SVG = "http://www.w3.org/2000/svg";
const LONG_TEXT = 40;
/** Characters beyond which a cell of a table asks for room. */

/** Return an element; functions under `on...` become listeners, `style` takes an object of custom properties. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Return an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Put `children` in place of what `node` holds. */
export function replace(node, ...children) {
  node.replaceChildren(...nodes(children));
  return node;
}

/** Return a link inside these pages; `to` comes from route.href. */
export function link(to, ...children) {
  return h("a", { href: to }, ...children);
}

/** Return a table; `columns` are {name, number?, short?, cell(row)}, cells give nodes or text. */
export function table(caption, columns, rows) {
  const head = columns.map((one) => h("th", { scope: "col", class: one.number ? "number" : null }, one.name));
  const body = rows.map((row) =>
    h(
      "tr",
      {},
      columns.map((one, index) => cell(one, row, index)),
    ),
  );
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, head)),
      h("tbody", {}, body),
    ),
  );
}

function cell(column, row, index) {
  const attributes = {
    class: column.number ? "number" : column.short ? "short" : null,
    "data-name": typeof column.name === "string" ? column.name : null,
  };
  if (index === 0) return h("th", { ...attributes, scope: "row" }, column.cell(row));
  const node = h("td", attributes, column.cell(row));
  if (node.textContent.length > LONG_TEXT) node.classList.add("long");
  return node;
}

/** Return a list of facts; pairs of name and value, those whose value is null are left out. */
export function facts(pairs, kind = "facts") {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined);
  return h(
    "dl",
    { class: kind },
    shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** Return a sentence in place of something that is not there. */
export function notice(...sentence) {
  return h("p", { class: "notice" }, ...sentence);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) set(node, name, value);
  node.append(...nodes(children));
  return node;
}

function nodes(children) {
  const there = children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false);
  return there.map((one) => (one instanceof Node ? one : document.createTextNode(String(one))));
}

function set(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function") node.addEventListener(name.slice(2), value);
  else if (name === "style") for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
  else node.setAttribute(name, value === true ? "" : String(value));
}
