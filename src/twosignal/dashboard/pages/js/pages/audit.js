/**
 * The sample audit: takes what `twosignal audit RUN --json` gives, shows its five checks, findings and verdict.
 *
 * In the address: `from` and `to`, the steps to audit.
 */

import { facts, h, link, notice, replace } from "../dom.js";
import { whole } from "../format.js";
import { change, href, numeric } from "../route.js";
import { badge } from "../status.js";
import { shown, words } from "../values.js";

const TITLES = {
  tiers: "1. Loss of the samples by tier",
  outliers: "2. Losses that stand out",
  texts: "3. What the model wrote",
  breadth: "4. Breadth",
  grading: "5. Graded by people",
};

/** Make the tab. */
export async function auditTab({ source }, run) {
  const state = {
    source,
    run,
    body: h("div", { class: "audit", "aria-busy": "true" }, notice("Reading the samples ...")),
  };
  const form = source.isPublic ? null : range(state);
  return { node: h("div", {}, form, state.body), update: (query) => update(state, query) };
}

async function update(state, query) {
  const [from, to] = [numeric(query, "from"), numeric(query, "to")];
  const asked = `${from ?? ""}:${to ?? ""}`;
  if (state.asked === asked) return;
  state.asked = asked;
  try {
    const audit = await state.source.audit(state.run.id, asked === ":" ? null : asked);
    if (state.asked === asked) draw(state, audit);
  } catch (fault) {
    replace(state.body, notice(fault.message));
  }
  state.body.removeAttribute("aria-busy");
}

function draw(state, audit) {
  const [from, to] = audit.steps ?? [];
  replace(
    state.body,
    h("p", { class: "headline" }, badge(audit.verdict), audit.reason),
    h("p", { class: "note" }, `Steps ${whole(from)} to ${whole(to)}.`),
    h("h2", {}, "Findings"),
    findings(state.run, audit.findings ?? []),
    Object.entries(audit.checks ?? {}).map(([name, check]) =>
      h(
        "section",
        { class: "check" },
        h("h2", {}, TITLES[name] ?? words(name)),
        name === "texts" ? texts(state.run, check) : shown(check, name),
      ),
    ),
  );
}

/** Show the texts as they were written, each with what was found of it. */
function texts(run, check) {
  const list = Array.isArray(check) ? check : (Object.values(check ?? {}).find(Array.isArray) ?? []);
  const isText = (one) => one !== null && typeof one === "object" && typeof one.text === "string";
  if (!list.length || !list.every(isText)) return shown(check, "texts");
  return list.map((one) => {
    const { step, prompt, text, copied, signals, ...rest } = one;
    const told = Object.entries(rest).filter(
      ([, value]) => value !== null && value !== "" && !(Array.isArray(value) && !value.length),
    );
    return h(
      "article",
      { class: "sample" },
      h(
        "div",
        { class: "reading" },
        prompt ? h("p", { class: "prompt" }, prompt) : null,
        h("p", { class: "written" }, text),
      ),
      h(
        "aside",
        { class: "scores" },
        h("p", { class: "headline" }, steps(run, [step])),
        facts(
          [
            ...told.map(([name, value]) => [words(name), shown(value, name, 1)]),
            ["copied", copied?.verdict ?? null],
            ["signals", signals?.length ? shown(signals, "signals", 1) : null],
          ],
          "facts told",
        ),
      ),
    );
  });
}

function findings(run, list) {
  if (!list.length) return notice("None.");
  return h(
    "ol",
    { class: "timeline" },
    list.map((one) =>
      h(
        "li",
        { class: `item is-${one.severity}` },
        h(
          "header",
          {},
          h("span", { class: "when" }, steps(run, one.steps)),
          badge(one.severity),
          h("b", {}, words(one.id)),
        ),
        h("p", {}, one.message),
        one.evidence && Object.keys(one.evidence).length
          ? h("details", {}, h("summary", {}, "Evidence"), shown(one.evidence))
          : null,
      ),
    ),
  );
}

function steps(run, list) {
  if (!list?.length) return "";
  const said =
    list.length > 1 && list[0] !== list.at(-1)
      ? `steps ${whole(list[0])} to ${whole(list.at(-1))}`
      : `step ${whole(list[0])}`;
  return link(href(["run", run.id, "samples"], { step: list.at(-1) }), said);
}

function range(state) {
  const from = h("input", { type: "text", inputmode: "numeric", size: 8, "aria-label": "from step" });
  const to = h("input", { type: "text", inputmode: "numeric", size: 8, "aria-label": "to step" });
  const value = (field) => (/^\d+$/.test(field.value) ? field.value : null);
  return h(
    "form",
    {
      class: "range",
      onsubmit: (event) => {
        event.preventDefault();
        replace(state.body, notice("Reading the samples ..."));
        change({ from: value(from), to: value(to) });
      },
    },
    h("span", {}, "Steps"),
    from,
    h("span", {}, "to"),
    to,
    h("button", { type: "submit" }, "Audit"),
  );
}
