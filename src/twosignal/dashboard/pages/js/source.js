/**
 * Where the figures come from: the server's /api, or the files of a public copy.
 *
 * Both give the shapes of docs/dashboard-api.md. A public copy has no question to ask: its series come whole and are
 * cut here.
 */

/** A question that was not answered; `message` is a sentence for the reader. */
export class Unanswered extends Error {
  constructor(status, said) {
    super(sentence(status, said));
    this.status = status;
  }
}

/** Return the source of this page: the copy's files where data/public.json says so, else the server. */
export async function openSource() {
  const response = await fetch("data/public.json").catch(() => null);
  const said = response?.ok ? await response.json().catch(() => null) : null;
  return said?.public ? new PublicCopy(said) : new Server();
}

class Server {
  isPublic = false;

  runs = () => ask("api/runs");
  run = (id) => this.#of(id);
  prepare = (id) => askEarly(this.#address(id));
  samples = (id) => this.#of(id, "samples");
  sampling = (id, step) => this.#of(id, `samples/${step}`);
  verdicts = (id) => this.#of(id, "verdicts");
  bandit = (id) => this.#of(id, "bandit");
  receipt = (id) => this.#of(id, "receipt");
  checkpoints = (id) => this.#of(id, "checkpoints");
  system = () => ask("api/system");

  series = (id, names, { from = null, to = null, buckets = 800, attempt = null } = {}) =>
    this.#of(id, "series", { names: names.join(","), from, to, buckets, attempt });

  document = (id, { step, index, match }) => this.#of(id, "document", { step, index, match });

  audit = (id, steps) => this.#of(id, "audit", { steps });

  compare = (a, b) => ask(`api/compare?${search({ a, b })}`);

  /** Return the address of the stream of changes. */
  liveAddress = (id, query) => `api/runs/${encodeURIComponent(id)}/live?${search(query)}`;

  #of(id, what = "", query = {}) {
    const behind = search(query);
    return ask(`${this.#address(id)}${what && `/${what}`}${behind && `?${behind}`}`);
  }

  #address = (id) => `api/runs/${encodeURIComponent(id)}`;
}

class PublicCopy {
  isPublic = true;

  constructor({ every = 10 }) {
    this.seconds = every;
  }

  runs = () => ask("data/runs.json");
  run = (id) => this.#of(id, "run");
  prepare = (id) => askEarly(`data/${encodeURIComponent(id)}/run.json`);
  samples = (id) => this.#of(id, "samples");
  verdicts = (id) => this.#of(id, "verdicts");
  bandit = (id) => this.#of(id, "bandit");
  receipt = (id) => this.#of(id, "receipt");
  checkpoints = (id) => this.#of(id, "checkpoints");
  audit = (id) => this.#of(id, "audit");
  system = () => absent("Figures of the machine");
  document = () => absent("Training documents");

  sampling = async (id, step) => {
    const steps = [...new Set((await this.samples(id)).step)];
    const at = Math.max(
      0,
      steps.findLastIndex((one) => one <= step),
    );
    const found = await this.#of(id, `samples/${steps[at]}`);
    return { ...found, previous: steps[at - 1] ?? null, next: steps[at + 1] ?? null };
  };

  series = async (id, names, { from = null, to = null } = {}) => {
    const all = await this.#of(id, "series");
    const chosen = names.filter((name) => name in all.series);
    const cutOut = (one) => cut({ steps: all.steps, ...one }, from, to);
    const series = Object.fromEntries(chosen.map((name) => [name, cutOut(all.series[name])]));
    return { ...all, series, missing: names.filter((name) => !(name in all.series)) };
  };

  compare = async (a, b) => {
    const [one, other] = await Promise.all([this.run(a), this.run(b)]);
    const names = new Set(other.series.map((each) => each.name));
    const series = one.series.map((each) => each.name).filter((name) => names.has(name));
    return {
      a: one,
      b: other,
      equal: null,
      first_difference: null,
      config: differences(one.config, other.config),
      series,
    };
  };

  #of(id, what) {
    return ask(`data/${encodeURIComponent(id)}/${what}.json`);
  }
}

const early = new Map();

/** Ask now what the page will ask soon. */
function askEarly(address) {
  const answer = ask(address);
  answer.catch(() => {});
  early.set(address, answer);
}

async function ask(address) {
  const underWay = early.get(address);
  if (early.delete(address)) return underWay;
  const response = await fetch(address, { cache: "no-cache" }).catch(() => null);
  if (!response) throw new Unanswered(0, {});
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Unanswered(response.status, said);
  return said;
}

function sentence(status, said) {
  if (!status) return "The server does not answer. It may have been stopped; this page asks again by itself.";
  const what = said.error
    ? `${said.error[0].toUpperCase()}${said.error.slice(1)}`
    : `The server answered ${status}`;
  const parts = [
    `${[what, said.where].filter(Boolean).join(": ").replace(/\.$/, "")}.`,
    said.found && `Found: ${said.found}.`,
    said.expected && `Expected: ${said.expected}.`,
    said.remedy,
  ];
  return parts.filter(Boolean).join(" ");
}

function absent(what) {
  return Promise.reject(new Unanswered(404, { error: `${what} are not part of a public copy.` }));
}

function search(query) {
  const there = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  return new URLSearchParams(there).toString();
}

/** Return the part of a series between two steps. */
function cut(series, from, to) {
  const first = from === null ? 0 : series.steps.findIndex((step) => step >= from);
  const behind = to === null ? -1 : series.steps.findIndex((step) => step > to);
  const part = (list) => list.slice(first < 0 ? list.length : first, behind < 0 ? undefined : behind);
  return { steps: part(series.steps), last: part(series.last), min: part(series.min), max: part(series.max) };
}

function differences(a, b, above = "") {
  const keys = [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])].sort();
  return keys.flatMap((key) => {
    const [one, other, name] = [a?.[key], b?.[key], above + key];
    if (isTable(one) && isTable(other)) return differences(one, other, `${name}.`);
    return JSON.stringify(one) === JSON.stringify(other) ? [] : [{ key: name, a: one, b: other }];
  });
}

function isTable(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
