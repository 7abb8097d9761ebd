/**
 * Changes as they come: takes a run, calls back for each update of the server's stream.
 *
 * Where the stream is refused, or the page is a public copy, it asks again every few seconds instead.
 */

const POLL_SECONDS = 5;

/** Follow a run until `signal` ends; `hear(update)` gets the stream's update, or null: look for yourself. */
export function follow(source, id, { series, hear, signal }) {
  if (source.isPublic || !("EventSource" in window)) return poll(source, hear, signal);
  const names = series.names.slice(0, 24).join(",");
  const query = { cursor: series.cursor, names, width: series.width };
  const stream = new EventSource(source.liveAddress(id, query));
  signal.addEventListener("abort", () => stream.close());
  stream.addEventListener("update", (event) => hear(JSON.parse(event.data)));
  stream.addEventListener("open", () => say("Live"));
  stream.addEventListener("error", () => {
    const refused = stream.readyState === EventSource.CLOSED;
    say(refused ? "" : "Connection lost, trying again");
    if (refused && !signal.aborted) poll(source, hear, signal);
  });
  return stream;
}

/** Call `hear(null)` every few seconds while the page is seen. */
export function poll(source, hear, signal, seconds = source.seconds ?? POLL_SECONDS) {
  say(`Asks again every ${seconds} s`);
  const timer = setInterval(() => document.hidden || hear(null), seconds * 1000);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/** Say in the bar how the page is kept fresh. */
export function say(text) {
  const place = document.querySelector("[data-live]");
  if (place.textContent !== text) place.textContent = text;
}
