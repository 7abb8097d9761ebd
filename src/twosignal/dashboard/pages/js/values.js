/** Evidence of any shape: takes a value of the JSON, gives lists and tables that read well. */

import { facts, h, table } from "./dom.js";
import { NONE, number } from "./format.js";
import { badge } from "./status.js";

const LONG_TEXT = 400;
const MOST_ITEMS = 60;
const WIDEST = 10;
const JUDGEMENTS = /^(continue|pivot|alarm|warning|ACCEPT|ACCEPT_WITH_NOTE|INVESTIGATE)$/;

/** Return `value` as nodes; objects become lists of facts, lists of like objects become tables. */
export function shown(value, name = "value", depth = 0) {
  if (value === null || value === undefined) return h("span", { class: "faint" }, "none");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return tidy(value);
  if (typeof value === "string") return JUDGEMENTS.test(value) ? badge(value) : text(value);
  if (Array.isArray(value)) return list(value, name, depth);
  const entries = Object.entries(value);
  if (entries.length > 1 && isLike(entries.map(([, one]) => one))) return namedTable(entries, name);
  if (!entries.length) return h("span", { class: "faint" }, "none");
  const inner = facts(
    entries.map(([key, one]) => [words(key), shown(one, key, depth + 1)]),
    "facts nested",
  );
  return depth > 2 ? h("details", {}, h("summary", {}, `${entries.length} entries`), inner) : inner;
}

/** Return a name of the JSON as words. */
export function words(name) {
  return String(name).replaceAll("_", " ");
}

function text(value) {
  if (value.length <= LONG_TEXT) return value;
  return h("details", {}, h("summary", {}, `${value.slice(0, 120)} ...`), h("p", { class: "written" }, value));
}

function list(values, name, depth) {
  if (!values.length) return h("span", { class: "faint" }, "none");
  if (values.every((one) => one === null || typeof one !== "object")) return plainList(values);
  const few = values.slice(0, MOST_ITEMS);
  const rest =
    values.length > few.length
      ? h("p", { class: "note" }, `and ${number(values.length - few.length)} more`)
      : null;
  if (isLike(values)) return [likeTable(few, name), rest];
  return [
    h(
      "ol",
      { class: "plain" },
      few.map((one) => h("li", {}, shown(one, name, depth + 1))),
    ),
    rest,
  ];
}

function plainList(values) {
  const said = values
    .slice(0, MOST_ITEMS)
    .map((one) => (typeof one === "string" ? one : one === null ? NONE : tidy(one)))
    .join(", ");
  return values.length > MOST_ITEMS ? `${said} and ${number(values.length - MOST_ITEMS)} more` : said;
}

function isLike(values) {
  const isRecord = (one) => one !== null && typeof one === "object" && !Array.isArray(one);
  if (!values.length || !values.every(isRecord)) return false;
  const keys = [...new Set(values.flatMap((one) => Object.keys(one)))];
  const isFlat = (one) =>
    Object.values(one).every((each) => each === null || typeof each !== "object" || Array.isArray(each));
  return (
    keys.length > 0 &&
    keys.length <= WIDEST &&
    values.every(isFlat) &&
    values.every((one) => 2 * Object.keys(one).length >= keys.length)
  );
}

/** Return a number as it would be written down: five digits, no zeros behind. */
function tidy(value) {
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) || Math.abs(value) >= 1e5
    ? number(value)
    : String(Number(value.toPrecision(5)));
}

function namedTable(entries, name) {
  const columns = columnsOf(entries.map(([, one]) => one)).map((one) => ({
    ...one,
    cell: ([, row]) => one.cell(row),
  }));
  return table(words(name), [{ name: "", cell: ([key]) => words(key) }, ...columns], entries);
}

function likeTable(values, name) {
  return table(words(name), columnsOf(values), values);
}

function columnsOf(values) {
  const keys = [...new Set(values.flatMap((one) => Object.keys(one)))];
  return keys.map((key) => ({
    name: words(key),
    number: values.every((one) => typeof one[key] === "number"),
    cell: (row) => (row[key] === undefined ? "" : shown(row[key], key, 3)),
  }));
}
