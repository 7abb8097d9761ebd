"""The sheet of `page.py`: takes a report, gives HTML for the eye, the keyboard and the ear. Jinja source, escaped."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fffefb; --ink: #1d2126; --quiet: #5a6470; --line: #d9dde2; --sheet: #f5f6f7; --link: #0a58ca;
  --fine: #116329; --warning: #7d4e00; --alarm: #a40e26; --unknown: #5a6470;
  --broken: #fbe3df; --broken-line: #a40e26; --copied: #dce8fb; --copied-line: #0a58ca; --window: #eef2f7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11151a; --ink: #e3e7ec; --quiet: #9aa5b1; --line: #323a44; --sheet: #191f26; --link: #79b8ff;
    --fine: #56d364; --warning: #e3b341; --alarm: #ff8a80; --unknown: #9aa5b1;
    --broken: #45201f; --broken-line: #ff8a80; --copied: #1c3050; --copied-line: #79b8ff; --window: #1b2430;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 58rem; padding: 2rem 1.2rem 5rem;
  background: var(--page); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif;
}
a { color: var(--link); }
a:focus-visible, input:focus-visible + label, summary:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2.6rem 0 0.7rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: 0.4rem 0; }
.quiet { color: var(--quiet); }
.small { font-size: 0.87rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip:not(:focus) { position: absolute; left: -100rem; }
.safe { overflow-wrap: anywhere; unicode-bidi: isolate; }
.status { font-weight: 650; white-space: nowrap; }
.status.fine { color: var(--fine); } .status.warning { color: var(--warning); }
.status.alarm { color: var(--alarm); } .status.unknown { color: var(--unknown); font-weight: 400; }
.verdict { margin: 1.2rem 0 0; padding: 1rem 1.2rem; background: var(--sheet); border-left: 6px solid var(--fine); }
.verdict.warning { border-color: var(--warning); } .verdict.alarm { border-color: var(--alarm); }
.verdict .word { font-size: 1.15rem; letter-spacing: 0.03em; text-transform: uppercase; }
.check { display: grid; grid-template-columns: 7rem 1fr; gap: 0 1rem; padding: 0.65rem 0; border-top: 1px solid var(--line); }
.check ul { margin: 0.5rem 0 0; padding: 0; list-style: none; }
.check li { margin: 0.35rem 0; padding-left: 0.9rem; border-left: 3px solid var(--line); }
.pictures svg { display: block; max-width: 100%; height: auto; }
.pictures .narrow { display: none; }
.pictures h3 { margin: 0.8rem 0 0.2rem; font-size: 0.92rem; font-weight: 600; }
svg text { fill: var(--quiet); font: 11px system-ui, sans-serif; } svg .axis { fill: var(--ink); }
.grid { stroke: var(--line); } .grid.alert { stroke: var(--alarm); stroke-dasharray: 5 4; }
.window { fill: var(--window); }
.line { fill: none; stroke: var(--ink); stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.line.spoken { stroke: var(--quiet); stroke-dasharray: 1 5; }
.mark.sound { fill: none; stroke: var(--fine); stroke-width: 1.5; }
.mark.broken { fill: var(--alarm); stroke: var(--page); }
.mark.cross { fill: none; stroke: var(--alarm); stroke-width: 2; }
.mark.copied { fill: var(--copied-line); stroke: var(--page); }
.mark.low { fill: var(--page); stroke: var(--warning); stroke-width: 2; }
.key { display: flex; flex-wrap: wrap; gap: 0.2rem 1.3rem; align-items: center; }
.key span { display: inline-flex; gap: 0.4rem; align-items: center; }
.key svg { flex: none; }
.filter { position: absolute; opacity: 0; }
.filter + label {
  display: inline-block; margin: 0 0.35rem 0.5rem 0; padding: 0.25rem 0.75rem; cursor: pointer; font-size: 0.9rem;
  border: 1px solid var(--line); border-radius: 1rem;
}
.filter:checked + label { border-color: var(--ink); background: var(--sheet); font-weight: 600; }
article {
  display: grid; grid-template-columns: 8.5rem minmax(0, 1fr); gap: 0 1.6rem; padding: 1.5rem 0;
  border-top: 1px solid var(--line);
}
article:target { background: var(--sheet); display: grid !important; }
.about .status { display: block; margin-top: 0.2rem; font-size: 0.87rem; }
.prompt, .answer { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; max-width: 40rem; }
.prompt { margin: 0 0 0.7rem; padding-left: 0.9rem; border-left: 3px solid var(--line); color: var(--quiet); font-size: 0.92rem; }
.answer { font: 1.1rem/1.65 Charter, "Iowan Old Style", "Palatino Linotype", Georgia, "Noto Serif", serif; }
.answer.code { font: 0.92rem/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.facts { margin-top: 0.8rem; font-size: 0.87rem; color: var(--quiet); font-variant-numeric: tabular-nums; }
.facts b { color: var(--ink); font-weight: 600; }
mark { background: none; color: inherit; }
mark.broken { background: var(--broken); text-decoration: underline wavy var(--broken-line) 1px; text-underline-offset: 0.25em; }
mark.copied { background: var(--copied); border-bottom: 2px solid var(--copied-line); }
mark.shared { border-bottom: 2px dotted var(--copied-line); }
.tag {
  display: inline-block; margin-right: 0.35em; padding: 0 0.4em; border: 1px solid currentColor; border-radius: 3px;
  font: 600 0.72rem/1.5 system-ui, sans-serif; vertical-align: 0.1em; white-space: normal; text-decoration: none;
  color: var(--broken-line); background: var(--page); overflow-wrap: anywhere;
}
.tag.copied, .tag.shared { color: var(--copied-line); }
.cut { font: 0.85rem/1.5 system-ui, sans-serif; color: var(--quiet); }
.wide-table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
caption { text-align: left; font-weight: 600; padding: 0.3rem 0; }
th { text-align: left; color: var(--quiet); font-weight: 600; font-size: 0.85rem; }
th, td { padding: 0.3rem 1rem 0.3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.number { text-align: right; }
@media (max-width: 44rem) {
  body { padding: 1.2rem 1rem 3rem; }
  .check, article { grid-template-columns: minmax(0, 1fr); }
  .about { display: flex; flex-wrap: wrap; gap: 0 0.8rem; align-items: baseline; margin-bottom: 0.6rem; }
  .pictures .wide { display: none; } .pictures .narrow { display: block; }
}
@media print { .filter + label, .skip { display: none; } article { break-inside: avoid-page; } }
"""

SHEET = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
form-action 'none'">
<title>{{ report.verdict.kind }}: audit of {{ report.run | visible }}</title>
<style>{{ style }}
{% for name, _, count in shown.filters %}
#only-{{ name }}:checked ~ .list article:not(.{{ name }}) { display: none; }
{% endfor %}
</style>
</head>
<body>
{% macro stand(status, word) -%}
<span class="status {{ status }}"><span aria-hidden="true">{{ glyphs[status] }}</span> {{ word }}</span>
{%- endmacro %}
{% macro seen(steps) -%}
{% for step in steps %}{% if step in anchors %}<a href="#{{ anchors[step] }}">{{ step | step }}</a>\
{% else %}{{ step | step }}{% endif %}{{ ", " if not loop.last }}{% endfor %}
{%- endmacro %}
<a class="skip" href="#texts">To the texts</a>
<header>
<p class="quiet small">Audit of a run</p>
<h1>{{ report.run | visible }}</h1>
<p class="quiet">Steps {{ report.steps[0] | step }} to {{ report.steps[1] | step }}: {{ num_samplings | step }}
{{ "sampling" if num_samplings == 1 else "samplings" }}, {{ report.checks.texts | length }}
{{ "text" if report.checks.texts | length == 1 else "texts" }}</p>
</header>
<main>
<section class="verdict {{ verdict_status }}" aria-label="Verdict">
<span class="word">{{ stand(verdict_status, report.verdict.kind) }}</span>
<p class="safe">{{ report.verdict.reason | sentence }}</p>
<p class="safe"><strong>What to do.</strong> {{ report.advice | sentence }}</p>
</section>
<section aria-labelledby="checks"><h2 id="checks">The five checks, and the losses</h2>
{% for row in rows %}
<div class="check">
<div>{{ stand(row.status, words[row.status]) }}</div>
<div><h3>{{ row.title }}</h3>
<div class="safe">{{ row.line | sentence }}</div>
{% if row.findings %}
<ul>
{% for finding in row.findings %}
<li class="safe">{{ stand(finding | status, finding.severity) }}: {{ finding.message | sentence }}
{% if finding.remedy %}<span class="quiet">{{ finding.remedy | sentence }}</span>
{% endif %}
{% if finding.steps %}
<span class="quiet small">At {{ "step" if finding.steps | length == 1 else "steps" }}
{{ seen(finding.steps) }}.</span>
{% endif %}
</li>
{% endfor %}
</ul>
{% endif %}
</div>
</div>
{% endfor %}
</section>
{% if pictures %}
<section aria-labelledby="curves"><h2 id="curves">Both signals</h2>
<p class="key small quiet"><span>line: held-out loss, coherence</span><span>dotted line: median loss of the samples</span>
{% for shape, name in key %}<span>{{ shape | key }} {{ name }}</span>{% endfor %}</p>
<div class="pictures">
{% for title, wide, narrow in pictures %}
<h3>{{ title }}</h3>
<div class="wide">{{ wide }}</div><div class="narrow">{{ narrow }}</div>
{% endfor %}
</div>
{% if history.num_samplings > history.samplings | length %}
<p class="quiet small">{{ history.samplings | length }} of {{ history.num_samplings | step }} samplings are drawn, evenly
spread.</p>
{% endif %}
</section>
{% endif %}
<section aria-labelledby="texts"><h2 id="texts">What the model wrote, newest first</h2>
{% if shown.left_out %}
<p>{{ shown.texts | length }} of the {{ report.checks.texts | length | step }} texts of this window: the newest that
something is to be said of, and the newest of the others. {{ shown.left_out | step }} are left out; name a smaller window
with <code>--steps A:B</code> to read them, or take <code>--json</code>, which has all.</p>
{% endif %}
{% if not shown.texts %}
<p>No samples in this window.</p>
{% else %}
<input class="filter" type="radio" name="only" id="only-all" checked><label for="only-all">all {{ shown.texts | length }}</label>
{% for name, label, count in shown.filters if count %}
<input class="filter" type="radio" name="only" id="only-{{ name }}"><label for="only-{{ name }}">{{ count }} {{ label }}</label>
{% endfor %}
<div class="list">
{% for text, anchor in items %}
<article class="{{ text | classes }}"{% if anchor %} id="{{ anchor }}"{% endif %}>
<div class="about"><h3>{{ text.step | step }}</h3><span class="quiet small safe">{{ text.domain | visible }}</span>
{% if text.action %}{{ stand(standing[text.action], text.action | replace("_", " ") | lower) }}{% endif %}
</div>
<div>
{% if text.prompt %}<div class="prompt" dir="auto"><span class="hidden">Prompt: </span>{{ text.prompt | shortened | visible }}\
</div>{% endif %}
<div class="answer{{ " code" if text | is_code }}" dir="auto"><span class="hidden">Answer: </span>\
{% if not text.text.strip() %}<em>(nothing)</em>\
{% else %}{% for piece in text | pieces %}{% if piece.marks %}<mark class="{{ piece.marks | map(attribute="sort") | \
unique | join(" ") }}">{% for one in piece.opened %}<span class="tag {{ one.sort }}">{{ tags[one.sort] }}{{ \
one.label | visible }}</span>{% endfor %}{{ piece.text }}</mark>{% else %}{{ piece.text }}{% endif %}{% if piece.skipped \
%}<span class="cut"> [{{ piece.skipped | step }} more characters{{ " of the same" if piece.marks }}] </span>{% endif %}\
{% endfor %}{% endif %}</div>
<div class="facts safe">{% if text.loss is not none %}<b>{{ text.tier }}</b>, loss {{ text.loss | figure }}, perplexity \
{{ text.perplexity | figure }}{% else %}loss not recorded{% endif %}; \
{% if text.judged_total is not none %}coherence <b>{{ text.judged_total | figure(0) }}</b>{% else %}too short to judge \
alone{% endif %} (pairs {{ text.score.bigram | figure(0) }} of 35, triples {{ text.score.trigram | figure(0) }} of 35, \
English {{ text.score.english | figure(0) }} of 20, characters {{ text.score.character | figure(0) }} of 10)\
{% if text.source and text.source != text.domain %}; source {{ text.source | visible }}{% endif %}
{% for mark in text | marks %}<br>{{ tags[mark.sort] }}{{ mark.label | visible }}: {{ mark.reason | visible }}{% endfor %}
</div>
</div>
</article>
{% endfor %}
</div>
{% endif %}
</section>
<section aria-labelledby="figures"><h2 id="figures">Figures</h2>
<div class="wide-table"><table><caption>Tiers of sample loss</caption>
<tr><th>tier</th><th>usually</th><th class="number">samples</th><th class="number">lowest</th><th class="number">highest</th>\
<th>action</th></tr>
{% for tier in report.checks.tiers %}
<tr><td>{{ tier.tier }}</td><td>{{ tier.reading }}</td><td class="number">{{ tier.num_samples | step }}</td>\
<td class="number">{{ tier.lowest | figure }}</td><td class="number">{{ tier.highest | figure }}</td>\
<td>{{ tier.action | replace("_", " ") | lower }}</td></tr>
{% else %}
<tr><td colspan="6">no losses recorded</td></tr>
{% endfor %}
</table></div>
<div class="wide-table"><table><caption>Held-out loss by source, nats per target</caption>
<tr><th>source</th><th class="number">first</th><th class="number">lowest</th><th class="number">newest</th>\
<th class="number">bits per byte</th></tr>
{% for one in report.progress %}
<tr><td class="safe">{{ one.source | visible }}</td>\
<td class="number">{{ one.first | figure(3) }} at {{ one.first_step | step }}</td>\
<td class="number">{{ one.lowest | figure(3) }} at {{ one.lowest_step | step }}</td>\
<td class="number">{{ one.last | figure(3) }} at {{ one.last_step | step }}</td>\
<td class="number">{{ one.bits_per_byte | figure(3) }}</td></tr>
{% else %}
<tr><td colspan="5">no held-out loss recorded</td></tr>
{% endfor %}
</table></div>
{% if report.draws %}
<div class="wide-table"><table><caption>What was trained on in this window</caption>
<tr><th>source</th><th class="number">{{ report.draws.unit }} drawn</th><th class="number">rows due by the mix</th></tr>
{% for name, count in report.draws.drawn.items() %}
<tr><td class="safe">{{ name | visible }}</td><td class="number">{{ count | step }}</td>\
<td class="number">{{ report.draws.due[name] | figure(1) }}</td></tr>
{% endfor %}
</table></div>
{% endif %}
</section>
</main>
<footer class="quiet small"><p>Made by <code>twosignal audit</code> from the run's records alone. Texts are shown as they were
written; control characters are replaced.</p></footer>
</body>
</html>
"""
