/** The machine: takes /api/system every few seconds, gives load, memory, GPUs, power and cost; what has no sensor says so. */

import { chart, plainNotice } from "../chart.js";
import { facts, h, replace } from "../dom.js";
import { bytes, duration, number, percent } from "../format.js";
import { poll } from "../live.js";
import { Series } from "../series.js";

const SECONDS = 5;
const SHOWN_SECONDS = 300;
/** The charts reach back so far at least. */
const CURVES = [
  ["cpu_percent", "CPU", "per cent of all cores", "--line-0", number, [0, 100]],
  ["memory_used", "Memory", "used", "--line-2", bytes],
  ["gpu_utilization", "GPU", "per cent", "--line-1", number, [0, 100]],
  ["power_w", "GPU power", "watts", "--line-5"],
];

/** Make the page. */
export async function systemPage({ source, signal }) {
  document.title = "System - twosignal";
  const state = { source, figures: h("div") };
  const first = await source.system();
  state.charts = CURVES.filter(([name]) => first.history?.[name]?.some(Number.isFinite)).map(
    ([name, title, note, color, format, fixed]) =>
      chart(
        {
          title,
          note,
          time: true,
          sync: "system",
          height: 160,
          format,
          fixed,
          lines: [{ name, label: title.toLowerCase(), color }],
        },
        { signal },
      ),
  );
  const renew = async () => draw(state, await source.system().catch(() => first));
  poll(source, renew, signal, SECONDS);
  return {
    node: h(
      "section",
      {},
      h("h1", {}, "System"),
      plainNotice(),
      state.figures,
      h(
        "div",
        { class: "charts two" },
        state.charts.map((one) => one.node),
      ),
    ),
    update: () => draw(state, first),
  };
}

function draw(state, found) {
  const why = (name) => found.missing?.[name] ?? found.missing?.[name.split(".")[0]] ?? "no such sensor";
  const said = (value, name, format) =>
    value === null || value === undefined ? h("span", { class: "faint" }, why(name)) : format(value);
  replace(
    state.figures,
    h("div", { class: "machines" }, host(found.host, said), gpus(found, said), energy(found, said)),
  );
  const { time, ...curves } = found.history ?? { time: [] };
  const lines = new Map(
    Object.entries(curves).map(([name, values]) => [
      name,
      { steps: time, last: values, min: values, max: values },
    ]),
  );
  const series = Object.assign(Object.create(Series.prototype), { lines });
  const begin = Math.min(time[0] ?? 0, (time.at(-1) ?? 0) - SHOWN_SECONDS);
  for (const one of state.charts) one.show(series, { from: null, to: null, first: begin });
}

function host(one, said) {
  return h(
    "section",
    { class: "machine" },
    h("h2", {}, "Host"),
    facts([
      ["CPU", said(one.cpu_percent, "host.cpu_percent", (value) => `${number(value, 3)} %`)],
      [
        "load, 1, 5, 15 min",
        said(one.load, "host.load", (value) => value.map((each) => number(each, 3)).join(", ")),
      ],
      ["cores", said(one.cores, "host.cores", number)],
      ["memory", said(one.memory_used, "host.memory_used", (value) => amount(value, one.memory_total))],
      ["disk", said(one.disk_used, "host.disk_used", (value) => amount(value, one.disk_total))],
      ["temperature", said(one.temperature_c, "host.temperature_c", celsius)],
      ["fan", said(one.fan_rpm, "host.fan_rpm", (value) => `${number(value)} rpm`)],
    ]),
  );
}

function gpus(found, said) {
  if (!found.gpus?.length)
    return h("section", { class: "machine" }, h("h2", {}, "GPU"), facts([["GPU", said(null, "gpus")]]));
  return found.gpus.map((gpu, index) => {
    const at = (name) => `gpus.${index}.${name}`;
    return h(
      "section",
      { class: "machine" },
      h("h2", {}, `GPU ${index}`),
      facts([
        ["name", gpu.name],
        ["busy", said(gpu.utilization, at("utilization"), (value) => `${number(value, 3)} %`)],
        ["memory", said(gpu.memory_used, at("memory_used"), (value) => amount(value, gpu.memory_total))],
        [
          "power",
          said(
            gpu.power_w,
            at("power_w"),
            (value) => `${number(value, 3)} W of ${number(gpu.power_limit_w, 3)} W`,
          ),
        ],
        ["temperature", said(gpu.temperature_c, at("temperature_c"), celsius)],
        ["fan", said(gpu.fan_percent, at("fan_percent"), (value) => `${number(value, 3)} %`)],
        ["energy", said(gpu.energy_j, at("energy_j"), (value) => `${number(value / 3.6e6, 3)} kWh`)],
      ]),
    );
  });
}

function energy({ energy: one, time }, said) {
  const cost = (value) =>
    `${number(value, 3)} ${one.currency} at ${number(one.per_kwh)} ${one.currency} per kWh`;
  return h(
    "section",
    { class: "machine" },
    h("h2", {}, "Energy and cost"),
    facts([
      ["energy", said(one?.kwh, "energy.kwh", (value) => `${number(value, 3)} kWh`)],
      ["cost", said(one?.cost, "energy.cost", cost)],
      ["measured for", one?.since ? duration(time - one.since) : null],
      ["of", one?.of?.length ? one.of.join(", ") : null],
    ]),
  );
}

function amount(used, total) {
  return `${bytes(used)} of ${bytes(total)} (${percent(used / total)})`;
}

function celsius(value) {
  return `${number(value, 3)} degrees C`;
}
