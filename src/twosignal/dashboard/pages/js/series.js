/**
 * The curves of one page: takes names and a range of steps, gives columns that a chart can draw.
 *
 * All charts of a page ask together, at most 24 names a time. What is counted by step comes apart from what is read out of
 * texts, which takes longer the first time. Where updates come in, their buckets replace the last ones.
 */

const MOST_NAMES = 24;
const MOST_BUCKETS = 3000;

export class Series {
  /** Curves of run `id`; `buckets` is how many points a line has at most, `slow` are the names that are asked for apart. */
  constructor(source, id, names, { buckets = 800, slow = new Set() } = {}) {
    Object.assign(this, { source, id, buckets });
    this.names = [...new Set(names)];
    this.parts = [
      ...chunks(this.names.filter((name) => !slow.has(name))),
      ...chunks(this.names.filter((name) => slow.has(name))),
    ];
    this.lines = new Map();
    this.width = null;
    this.cursor = null;
    this.asked = 0;
  }

  /**
   * Load the range, calling `drawn` whenever a part of it is there; what a later question overtook is dropped.
   *
   * Return {rest} when the first part is there: `rest` ends when all are.
   */
  async load(from, to, drawn = () => {}) {
    const asked = ++this.asked;
    this.isWhole = from === null && to === null;
    const parts = this.parts.map(async (names, place) => {
      const answer = await this.source.series(this.id, names, { from, to, buckets: this.buckets });
      if (asked !== this.asked) return;
      for (const [name, one] of Object.entries(answer.series))
        this.lines.set(name, { steps: answer.steps, ...one });
      if (place === 0) Object.assign(this, { width: answer.width, cursor: answer.cursor });
      drawn();
    });
    const rest = Promise.all(parts);
    rest.catch(() => {});
    await parts[0];
    return { rest };
  }

  /** Take in an update of the stream; return false where everything must be loaded again. */
  merge(update) {
    if (update.restart || !this.isWhole || update.width !== this.width) return false;
    for (const [name, fresh] of Object.entries(update.series)) {
      const old = this.lines.get(name);
      const isOwn = "steps" in fresh;
      if (!old && !isOwn) return false;
      this.lines.set(name, isOwn ? fresh : joined(old, update, fresh));
      if (this.lines.get(name).steps.length > MOST_BUCKETS) return false;
    }
    this.cursor = update.cursor;
    return true;
  }

  /**
   * Return {x, columns}: the steps of all the named lines together, and the values of each part of each line.
   *
   * A line that holds its value until it changes is drawn on to the step `end`.
   */
  columns(parts, end = null) {
    const there = parts.map(({ name, part, holds }) => ({
      line: held(this.lines.get(name), holds ? end : null),
      part,
    }));
    const grids = [...new Set(there.map(({ line }) => line?.steps).filter(Boolean))];
    if (grids.length === 1) return { x: grids[0], columns: there.map(({ line, part }) => line?.[part] ?? []) };
    const x = [...new Set(grids.flat())].sort((a, b) => a - b);
    const places = new Map(x.map((step, index) => [step, index]));
    return { x, columns: there.map(({ line, part }) => spread(line, part, places, x.length)) };
  }
}

function chunks(names) {
  const amount = Math.ceil(names.length / MOST_NAMES);
  return Array.from({ length: amount }, (_, index) =>
    names.slice(index * MOST_NAMES, (index + 1) * MOST_NAMES),
  );
}

function joined(old, update, fresh) {
  const part = (name) => [...old[name].slice(0, update.from), ...fresh[name]];
  const steps = [...old.steps.slice(0, update.from), ...update.steps];
  return { steps, last: part("last"), min: part("min"), max: part("max") };
}

function held(line, end) {
  if (!line?.steps.length || end === null || line.steps.at(-1) >= end) return line;
  const on = (values) => [...values, values.at(-1)];
  return { steps: [...line.steps, end], last: on(line.last), min: on(line.min), max: on(line.max) };
}

/** Return the values at their places; undefined where the line has no point, which is no gap. */
function spread(line, part, places, length) {
  const values = new Array(length).fill(undefined);
  line?.steps.forEach((step, index) => {
    values[places.get(step)] = line[part][index];
  });
  return values;
}
