/**
 * What every page needs first, asked before the rest is loaded: takes the address, gives where the figures come from.
 *
 * On a run's page its summary is asked for at once; the page finds the answer under way.
 */

import { current } from "./route.js";
import { openSource } from "./source.js";

/** The source of this page's figures. */
export const source = openSource().then((opened) => {
  const [first, id] = current().path;
  if (first === "run" && id) opened.prepare(id);
  return opened;
});
