/** Where a copied span stands in the training text: takes a step, an index and a match, gives the text around it. */

import { facts, h, link, notice } from "../dom.js";
import { count, whole } from "../format.js";
import { href, numeric } from "../route.js";

/** Make the tab; it belongs to a sample and is reached from it. */
export async function documentTab({ source, query }, run) {
  const place = {
    step: numeric(query, "step"),
    index: numeric(query, "index"),
    match: numeric(query, "match"),
  };
  const back = h(
    "p",
    {},
    link(href(["run", run.id, "samples"], { step: place.step, prompt: place.index }), "Back to the sample"),
  );
  if (Object.values(place).includes(null)) return { node: notice("This address names no copied span. ", back) };
  try {
    return { node: h("div", {}, back, drawn(await source.document(run.id, place))) };
  } catch (fault) {
    return { node: h("div", {}, back, notice(fault.message)) };
  }
}

function drawn(found) {
  const where = found.file ? `${found.file}${found.line ? `:${found.line}` : ""}` : null;
  return h(
    "section",
    { class: "sample" },
    h(
      "div",
      { class: "reading" },
      h("h2", {}, "Training document"),
      h(
        "p",
        { class: "written" },
        found.starts_here ? null : "... ",
        found.before,
        h("mark", { class: "copied" }, found.copied),
        found.after,
        found.ends_here ? null : " ...",
      ),
    ),
    h(
      "aside",
      { class: "scores" },
      facts([
        ["source", found.source],
        ["document", whole(found.document)],
        ["file", where],
        ["stands in the training text", count(found.occurrences, "time")],
      ]),
    ),
  );
}
