/**
 * The address: takes the part behind '#', gives a path and a query, and the other way round.
 *
 * All state of a page stands in its address, so that a link shows another reader the same thing.
 */

/** Return {path, query} of the address; a part that is no valid escape stays as it is. */
export function current() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

/** Return the address of a path and of the entries of `query` that are not null. */
export function href(path, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  const behind = search.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${behind ? `?${behind}` : ""}`;
}

/** Change entries of the query, null takes one away; `push` leaves the page as it was behind the back button. */
export function change(entries, { push = false } = {}) {
  const { path, query } = current();
  const to = href(path, { ...Object.fromEntries(query), ...entries });
  if (to === location.hash) return;
  history[push ? "pushState" : "replaceState"](null, "", to);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** Return an entry as a whole number, or null. */
export function numeric(query, name) {
  const value = query.get(name);
  return value !== null && /^-?\d+$/.test(value) ? Number(value) : null;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
