/** Numbers, times and sizes as people read them: takes values of the JSON, gives short texts. */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
export const NONE = "-";

/** Return a number with `digits` significant digits, huge ones by powers of ten; "nan", "inf" stay words. */
export function number(value, digits = 4) {
  if (value === null || value === undefined) return NONE;
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return String(value).toLowerCase().replace("infinity", "inf");
  const size = Math.abs(value);
  if (size >= 10 ** (digits + 3)) return value.toExponential(digits - 2).replace("e+", "e");
  if (Number.isInteger(value)) return whole(value);
  if (size >= 10 ** digits) return WHOLE.format(value);
  if (size < 0.0001) return value.toExponential(Math.max(digits - 2, 1));
  return value.toFixed(Math.min(6, Math.max(0, digits - 1 - Math.floor(Math.log10(size)))));
}

/** Return a loss in nats: three decimals. */
export function loss(value) {
  return typeof value === "number" && Math.abs(value) < 1000 ? value.toFixed(3) : number(value);
}

/** Return a count with thousands parted. */
export function whole(value) {
  return typeof value === "number" ? WHOLE.format(value) : number(value);
}

/** Return a share as per cent. */
export function percent(value) {
  return typeof value === "number" ? `${(100 * value).toFixed(1)} %` : number(value);
}

/** Return a size in decimal units. */
export function bytes(value) {
  if (typeof value !== "number") return number(value);
  const power = value < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** power).toFixed(power && value / 1000 ** power < 100 ? 1 : 0)} ${UNITS[power]}`;
}

/** Return a Unix time as local date and minute. */
export function moment(seconds) {
  if (typeof seconds !== "number") return NONE;
  const when = new Date(seconds * 1000);
  const two = (part) => String(part).padStart(2, "0");
  return (
    `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())} ` +
    `${two(when.getHours())}:${two(when.getMinutes())}`
  );
}

/** Return how long ago a Unix time was. */
export function ago(seconds) {
  if (typeof seconds !== "number") return NONE;
  const past = Date.now() / 1000 - seconds;
  return past < 3 ? "now" : `${duration(past)} ago`;
}

/** Return a length of time in its largest unit or two. */
export function duration(seconds) {
  if (typeof seconds !== "number") return NONE;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.round((seconds % 86400) / 3600)} h`;
}

/** Return a plural as English has it. */
export function count(amount, one, many = `${one}s`) {
  return `${whole(amount)} ${amount === 1 ? one : many}`;
}
