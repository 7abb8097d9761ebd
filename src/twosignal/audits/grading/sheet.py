"""The sheet of `page.py`: takes a bundle, gives HTML for the eye and the keyboard. Jinja source, escaped."""

SCRIPT = r"""
"use strict";
const bundle = JSON.parse(document.getElementById("bundle").textContent);
const items = bundle.items, total = items.length;
const store = "twosignal-grades-" + bundle.bundle + (bundle.served ? location.pathname : "");
const byId = (id) => document.getElementById(id);
let grades = {}, grader = "", first = 0, turn = 0, since = Date.now(), isSaved = true;
// A server that gives this page has a script of its own, which puts its own functions here.
const server = {kept: () => {}, submit: null};

function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(store) || "null");
    if (kept) { grades = kept.grades; grader = kept.grader; turn = kept.turn; first = kept.first; }
  } catch (error) { byId("kept").textContent = "This browser keeps nothing: save before you close the page."; }
}
function keep() {
  isSaved = false;
  server.kept();
  try { localStorage.setItem(store, JSON.stringify({grades, grader, turn, first})); } catch (error) { return; }
}
// Every grader begins elsewhere, so that no item is always read by tired eyes.
function startOf(name) {
  let hash = 7;
  for (const letter of name.trim().toLowerCase()) hash = (hash * 31 + letter.codePointAt(0)) % 1000003;
  return hash % total;
}
const current = () => items[(first + turn) % total];
function graded(item) {
  if (!grades[item.item]) {
    grades[item.item] = {score: 0, faults: [], note: "", seconds: 0, position: turn + 1};
  }
  return grades[item.item];
}
const done = () => items.filter((item) => grades[item.item] && grades[item.item].score).length;
function spend() {
  if (grades[current().item]) {
    const grade = graded(current());
    grade.seconds = Math.round((grade.seconds + (Date.now() - since) / 1000) * 10) / 10;
  }
  since = Date.now();
}
function show() {
  const item = current(), grade = grades[item.item] || {score: 0, faults: [], note: ""};
  byId("prompt").textContent = item.prompt || "(no prompt)";
  byId("text").textContent = item.text.trim() ? item.text : "(nothing)";
  for (const box of document.querySelectorAll("[name=score]")) box.checked = Number(box.value) === grade.score;
  for (const box of document.querySelectorAll("[name=fault]")) box.checked = grade.faults.includes(box.value);
  byId("note").value = grade.note;
  byId("place").textContent = "Text " + (turn + 1) + " of " + total;
  tell();
}
function tell() {
  const count = done();
  byId("count").textContent = count + " graded";
  byId("bar").max = total;
  byId("bar").value = count;
  const isWhole = count === total;
  byId("save").textContent = bundle.served ? "Submit all grades" : isWhole ? "Save all grades" : "Save what there is";
  byId("save").disabled = bundle.served && !isWhole;
  byId("save").className = isWhole ? "main" : "";
  byId("back").disabled = turn === 0;
  byId("next").disabled = turn === total - 1;
}
function score(value) {
  graded(current()).score = value;
  spend();
  keep();
  show();
}
function go(by) {
  const to = turn + by;
  if (to < 0 || to >= total) return;
  spend();
  turn = to;
  keep();
  show();
  window.scrollTo(0, 0);
  byId("text").focus({preventScroll: true});
}
function file() {
  const head = {twosignal: "grades", version: bundle.version, bundle: bundle.bundle, grader: grader.trim(),
    rater: "person", key_sha256: bundle.key_sha256};
  const rows = items.filter((item) => grades[item.item] && grades[item.item].score)
    .map((item) => JSON.stringify(Object.assign({item: item.item}, grades[item.item])));
  return JSON.stringify(head).slice(0, -1) + ', "grades": [\n' + rows.join(",\n") + "\n]}\n";
}
function save() {
  if (!grader.trim()) { byId("told").textContent = "Write your name first."; byId("grader").focus(); return; }
  if (!done()) { byId("told").textContent = "Grade a text first."; return; }
  if (server.submit) { server.submit(); return; }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([file()], {type: "application/json"}));
  link.download = "grades-" + bundle.bundle + "-" + grader.trim().replace(/[^\p{L}\p{N}]+/gu, "-") + ".json";
  link.click();
  isSaved = true;
  byId("told").textContent = "Saved as " + link.download + ". Send it to whoever gave you this page.";
}
const isTyping = (target) => target.tagName === "TEXTAREA" || (target.tagName === "INPUT" && target.type === "text");
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target)) { if (event.key === "Escape") event.target.blur(); return; }
  const isArrow = event.target.name === "score" && event.key.startsWith("Arrow");
  if (/^[0-9]$/.test(event.key)) score(Number(event.key) || 10);
  else if (event.key === "ArrowLeft" && !isArrow) go(-1);
  else if (event.key === "ArrowRight" && !isArrow) go(1);
  else if (event.key === "Enter" && event.target.tagName !== "BUTTON") go(1);
  else if ("abcd".includes(event.key.toLowerCase()) && event.key.length === 1) {
    document.querySelectorAll("[name=fault]")["abcd".indexOf(event.key.toLowerCase())].click();
  } else if (event.key.toLowerCase() === "n") byId("note").focus();
  else return;
  event.preventDefault();
});
for (const box of document.querySelectorAll("[name=score]")) {
  box.addEventListener("change", () => score(Number(box.value)));
}
for (const box of document.querySelectorAll("[name=fault]")) {
  box.addEventListener("change", () => {
    graded(current()).faults = [...document.querySelectorAll("[name=fault]:checked")].map((one) => one.value);
    keep();
  });
}
byId("note").addEventListener("input", () => { graded(current()).note = byId("note").value; keep(); });
byId("grader").addEventListener("input", () => {
  grader = byId("grader").value;
  if (!done()) { first = startOf(grader); show(); }
  keep();
});
byId("back").addEventListener("click", () => go(-1));
byId("next").addEventListener("click", () => go(1));
byId("save").addEventListener("click", save);
window.addEventListener("beforeunload", (event) => { if (!isSaved && done()) event.preventDefault(); });
load();
byId("grader").value = grader;
if (!done()) first = startOf(grader);
turn = Math.min(Math.max(0, turn | 0), total - 1);
isSaved = !done();
show();
"""

SHEET = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
{% if served %}
<link rel="icon" href="data:,">
{% endif %}
<title>Grading {{ bundle.items | length }} texts</title>
<style>
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1b1f24; --quiet: #59636e; --line: #d1d9e0; --sheet: #f6f8fa;
  --main: #0a58ca; --on-main: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10141a; --ink: #e6edf3; --quiet: #9aa6b2; --line: #343c46; --sheet: #171d25;
    --main: #79b8ff; --on-main: #0b1320;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 52rem; padding: 1.5rem 1rem 4rem;
  background: var(--page); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif;
}
h1 { font-size: 1.3rem; margin: 0 0 0.3rem; }
h2 { font-size: 0.85rem; font-weight: 600; color: var(--quiet); margin: 1.2rem 0 0.3rem; }
.quiet { color: var(--quiet); font-size: 0.88rem; }
.row { display: flex; flex-wrap: wrap; gap: 0.6rem 1rem; align-items: center; }
.spread { justify-content: space-between; }
progress { flex: 1; min-width: 8rem; height: 0.6rem; accent-color: var(--main); }
details { margin: 0.8rem 0; border: 1px solid var(--line); border-radius: 6px; padding: 0.5rem 0.9rem; }
summary { cursor: pointer; font-weight: 600; }
dl { display: grid; grid-template-columns: 3rem 1fr; gap: 0.1rem 0.8rem; margin: 0.5rem 0; }
dt { font-variant-numeric: tabular-nums; font-weight: 600; } dd { margin: 0; }
pre {
  margin: 0; padding: 0.9rem 1.1rem; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate;
  background: var(--sheet); border: 1px solid var(--line); border-radius: 6px; font: inherit;
}
#prompt { color: var(--quiet); } #text { min-height: 9rem; border-left: 4px solid var(--main); outline: none; }
fieldset { border: 0; margin: 1rem 0 0; padding: 0; min-width: 0; }
legend { padding: 0; font-size: 0.85rem; font-weight: 600; color: var(--quiet); margin-bottom: 0.3rem; }
.scores { display: grid; grid-template-columns: repeat(10, 1fr); gap: 0.35rem; }
.scores label { position: relative; }
.scores input { position: absolute; inset: 0; opacity: 0; margin: 0; cursor: pointer; }
.scores span {
  display: block; text-align: center; padding: 0.55rem 0; border: 1px solid var(--line); border-radius: 6px;
  background: var(--sheet); font-variant-numeric: tabular-nums;
}
.scores input:checked + span { background: var(--main); color: var(--on-main); border-color: var(--main); }
.scores input:focus-visible + span, :focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
@media (max-width: 34rem) { .scores { grid-template-columns: repeat(5, 1fr); } }
input[type=text], textarea, button {
  font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: 6px;
  padding: 0.45rem 0.8rem;
}
input[type=checkbox] { accent-color: var(--main); }
textarea { width: 100%; min-height: 3.2rem; resize: vertical; }
button { cursor: pointer; background: var(--sheet); } button:disabled { opacity: 0.45; cursor: default; }
button.main { background: var(--main); color: var(--on-main); border-color: var(--main); }
kbd { border: 1px solid var(--line); border-radius: 4px; padding: 0 0.3em; font: 0.85em ui-monospace, monospace; }
.hash { overflow-wrap: anywhere; font-family: ui-monospace, monospace; font-size: 0.8rem; }
</style>
</head>
<body>
<header>
<h1>How good is this text?</h1>
<p class="quiet">{{ bundle.items | length }} texts, some by a program, some not. Read the prompt, then the text, and \
give it one score. {% if served %}What you grade is kept as you go; submit it at the end.{% else %}\
Nothing leaves this page until you save the file.{% endif %}</p>
<div class="row"><label>{% if served %}You grade as{% else %}Your name or a word of your own{% endif %}

<input type="text" id="grader" maxlength="80" autocomplete="off" spellcheck="false"></label>
<span class="quiet" id="kept"></span></div>
<details open><summary>What the scores mean</summary>
<dl>
{% for score, meaning in anchors %}
<dt>{{ score }}</dt><dd>{{ meaning }}</dd>
{% endfor %}
</dl>
<p class="quiet">A text may end in mid-sentence; that alone is no fault. Some texts come twice; do not look back.</p>
<p class="quiet">Keys: <kbd>1</kbd> to <kbd>9</kbd> and <kbd>0</kbd> for 10, <kbd>Enter</kbd> or \
<kbd>&rarr;</kbd> next, <kbd>&larr;</kbd> back, <kbd>A</kbd> to <kbd>D</kbd> faults, <kbd>N</kbd> note, \
<kbd>Esc</kbd> leaves a field.</p>
</details>
<div class="row"><strong id="place"></strong><progress id="bar" aria-label="Graded"></progress>\
<span class="quiet" id="count" aria-live="polite"></span></div>
</header>
<main>
<h2>Prompt</h2>
<pre id="prompt" dir="auto"></pre>
<h2>Text</h2>
<pre id="text" dir="auto" tabindex="-1"></pre>
<fieldset><legend>Score</legend><div class="scores">
{% for score in range(1, 11) %}
<label><input type="radio" name="score" value="{{ score }}"><span>{{ score }}</span></label>
{% endfor %}
</div></fieldset>
<fieldset><legend>What is wrong, if anything</legend><div class="row">
{% for fault in faults %}
<label><input type="checkbox" name="fault" value="{{ fault }}"> {{ fault }} <kbd>{{ "ABCD"[loop.index0] }}</kbd></label>
{% endfor %}
</div></fieldset>
<h2><label for="note">Note, if you like</label></h2>
<textarea id="note" maxlength="2000"></textarea>
<div class="row spread" style="margin-top: 1rem">
<span class="row"><button id="back">&larr; Back</button><button id="next">Next &rarr;</button></span>
<button id="save">Save</button>
</div>
<p id="told" role="status"></p>
</main>
<footer class="quiet">Bundle {{ bundle.bundle }}. What each text is stands in a sealed file with this SHA-256:
<div class="hash">{{ bundle.key_sha256 }}</div></footer>
<script type="application/json" id="bundle">{{ data }}</script>
<script>{{ script }}</script>
{% if served %}
<script src="/served.js"></script>
{% endif %}
</body>
</html>
"""
