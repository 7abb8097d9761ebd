/** The shell: takes the address, shows the page it names, and ends the page before. */

import { h, notice, replace } from "./dom.js";
import { source } from "./early.js";
import { say } from "./live.js";
import { current } from "./route.js";
import { startTheme } from "./theme.js";
import { runPage } from "./pages/run.js";

const LATER = { runs: "runsPage", compare: "comparePage", system: "systemPage" };
/** Pages that are fetched when first asked for: file, and the function in it. */

const content = document.getElementById("content");
let shown = null;

/** Show what the address names; a page that stays gets the new query only. */
async function show() {
  const { path, query } = current();
  const key = JSON.stringify(path);
  if (shown?.key === key) return shown.page?.update?.(query);
  shown?.ending.abort();
  const mine = { key, ending: new AbortController(), page: null };
  shown = mine;
  say("");
  const context = { source: await source, path, query, signal: mine.ending.signal };
  document.querySelectorAll("[data-operator]").forEach((one) => {
    one.hidden = context.source.isPublic;
  });
  const page = await made(context);
  if (shown !== mine) return undefined;
  mine.page = page;
  replace(content, page.node);
  mark(path);
  page.shown?.();
  return page.update?.(current().query);
}

async function made(context) {
  try {
    const [first = "runs"] = context.path;
    if (first === "run" && context.path.length > 1) return await runPage(context);
    if (Object.hasOwn(LATER, first)) return await (await import(`./pages/${first}.js`))[LATER[first]](context);
    return { node: notice("There is no such page. ", h("a", { href: "#/" }, "All runs")) };
  } catch (fault) {
    return { node: h("section", {}, h("h1", {}, "Not shown"), notice(fault.message)) };
  }
}

function mark([first = ""]) {
  for (const one of document.querySelectorAll(".bar nav a")) {
    const isHere = one.getAttribute("href") === `#/${first === "run" ? "" : first}`;
    if (isHere) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
}

startTheme(document.querySelector("[data-theme-switch]"));
document.querySelector("[data-skip]").addEventListener("click", (event) => {
  event.preventDefault();
  content.focus();
});
addEventListener("hashchange", show);
show();
