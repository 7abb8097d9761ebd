/** The checkpoints of a run: takes their list, gives a table with sizes and what was known of each. */

import { h, link, notice, replace, table } from "../dom.js";
import { bytes, loss, moment, number, whole } from "../format.js";
import { href } from "../route.js";
import { badge } from "../status.js";

/** Make the tab. */
export async function checkpointsTab({ source }, run) {
  const node = h("div");
  const load = async () => drawn(node, run, await source.checkpoints(run.id));
  await load();
  return {
    node,
    hear: (news) => (!news || news.new_events?.some((one) => one.kind === "checkpoint") ? load() : undefined),
  };
}

function drawn(node, run, { checkpoints, total_bytes: total }) {
  if (!checkpoints.length) return replace(node, notice("This run has no checkpoint on disk."));
  const columns = [
    {
      name: "step",
      number: true,
      cell: (one) => link(href(["run", run.id, "samples"], { step: one.step }), whole(one.step)),
    },
    { name: "held-out", number: true, cell: (one) => loss(one.probe) },
    { name: "coherence", number: true, cell: (one) => number(one.coherence, 3) },
    { name: "verdict", short: true, cell: (one) => badge(one.verdict) ?? "" },
    { name: "", cell: (one) => (one.best ? h("span", { class: "badge good" }, "best held-out loss") : "") },
    { name: "size", number: true, cell: (one) => bytes(one.size_bytes) },
    { name: "written", short: true, cell: (one) => moment(one.time) },
    { name: "folder", cell: (one) => h("code", {}, one.path) },
  ];
  return replace(
    node,
    h("p", {}, `${whole(checkpoints.length)} on disk, ${bytes(total)} in all.`),
    table("Checkpoints", columns, [...checkpoints].reverse()),
  );
}
