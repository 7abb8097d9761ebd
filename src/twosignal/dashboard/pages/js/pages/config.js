/** The run file as it was resolved, and where the run left its earlier records. */

import { facts, h, table } from "../dom.js";
import { moment, whole } from "../format.js";
import { shown } from "../values.js";

/** Make the tab. */
export async function configTab(_, run) {
  const attempts =
    run.attempts?.length > 1
      ? [
          h("h2", {}, "Attempts"),
          table(
            "Attempts",
            [
              { name: "attempt", number: true, cell: (one) => whole(one.attempt) },
              {
                name: "left attempt",
                number: true,
                cell: (one) => (one.parent === null ? "" : whole(one.parent)),
              },
              { name: "at step", number: true, cell: (one) => whole(one.step) },
            ],
            run.attempts,
          ),
        ]
      : null;
  return {
    node: h(
      "div",
      {},
      facts([
        ["model", run.model],
        ["vocabulary", run.vocab && whole(run.vocab)],
        ["parameters", run.parameters && whole(run.parameters)],
        ["sources", run.sources.join(", ")],
        ["started", moment(run.started)],
        ["records grew", moment(run.updated)],
        ["events", whole(run.events)],
        ["samples", whole(run.samples)],
      ]),
      attempts,
      h("h2", {}, "Run file"),
      h("div", { class: "sections" }, sections(run.config ?? {})),
    ),
  };
}

function sections(config) {
  return Object.entries(config).map(([name, value]) =>
    h(
      "section",
      { class: name === "sources" ? "toml wide" : "toml" },
      h("h3", {}, `[${name}]`),
      shown(value, name, 0),
    ),
  );
}
