"""The sheet of `page.py`: takes a receipt's plain values, gives HTML for the eye. Jinja source, escaped."""

SHEET = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1b1f24; --quiet: #59636e; --line: #d1d9e0; --sheet: #f6f8fa;
  --learned: #cfe5ff; --rule: #0a58ca; --good: #116329; --bad: #a40e26; --bad-sheet: #ffebe9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10141a; --ink: #e6edf3; --quiet: #9aa6b2; --line: #343c46; --sheet: #171d25;
    --learned: #143a66; --rule: #79b8ff; --good: #56d364; --bad: #ff7b72; --bad-sheet: #34161a;
  }
}
body {
  margin: 2rem auto 4rem; max-width: 68rem; padding: 0 1rem;
  background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.35rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2.2rem 0 0.6rem; }
.verdict { border: 1px solid var(--line); border-left-width: 6px; border-radius: 6px; padding: 1rem 1.2rem;
background: var(--sheet); }
.verdict.good { border-left-color: var(--good); } .verdict.bad { border-left-color: var(--bad); }
.verdict p { margin: 0.4rem 0 0; } .word { font-weight: 700; }
.good .word, .pass { color: var(--good); } .bad .word, .fail { color: var(--bad); }
.quiet, .none { color: var(--quiet); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: 0.85rem; }
th, td { padding: 0.35rem 0.8rem 0.35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; }
details { border-bottom: 1px solid var(--line); padding: 0.45rem 0; }
details.fault { background: var(--bad-sheet); border: 1px solid var(--bad); border-radius: 6px;
padding: 0.6rem 0.9rem; margin: 0.6rem 0; }
summary { cursor: pointer; display: grid; grid-template-columns: 2.4rem 3.2rem 1fr auto; gap: 0.6rem;
align-items: baseline; }
summary .name { font-weight: 600; }
.more::after { content: " +"; } details[open] .more::after { content: " -"; }
.body { margin: 0.3rem 0 0.4rem 6.2rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) { .body { margin-left: 0; } }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; margin: 0.6rem 0; font-size: 0.9rem; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
pre {
  margin: 0.6rem 0; padding: 0.7rem 0.9rem; background: var(--sheet); border: 1px solid var(--line); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; font: 0.88rem/1.65 ui-monospace, "Liberation Mono", Menlo, monospace;
}
.learned { background: var(--learned); text-decoration: underline; text-decoration-color: var(--rule);
text-underline-offset: 3px; }
.remedy { font-weight: 600; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% set failures = receipt.checks | selectattr("passed", "equalto", false) | list %}
<div class="verdict {{ 'good' if receipt.passed else 'bad' }}" style="margin-top: 1rem">
{% if receipt.passed %}
<span class="word">Passed.</span> {{ receipt.checks | selectattr("passed", "equalto", true) | list | \
length }} checks found no fault, \
{{ receipt.checks | selectattr("passed", "none") | list | length }} did not apply.
{% else %}
<span class="word">Refused.</span> {{ failures | length }} of {{ receipt.checks | length }} checks found a fault: \
{{ failures | map(attribute="kind") | select | unique | join(", ") }}.
{% endif %}
<p>{{ receipt.conversations | number }} conversations{% if receipt.documents %} and {{ receipt.documents | \
number }} documents{% endif %}, \
{{ receipt.tokens | number }} tokens, {{ receipt.targets | number }} targets in {{ receipt.rows | number }} rows \
({{ "%.1f" | format(100 * receipt.fill) }}% full), {{ receipt.steps | number }} steps.
{% if receipt.seconds is defined %} The proof took {{ "%.1f" | format(receipt.seconds) }} s\
{% if receipt.share_of_run %}, about {{ "%.2f" | \
format(100 * receipt.share_of_run) }}% of the planned run{% endif %}.{% endif %}</p>
</div>

<h2>Checks</h2>
{% for check in receipt.checks %}
<details {% if check.passed is false %}class="fault" open{% endif %}>
<summary><span class="quiet">{{ check.id }}</span>
{% if check.passed is none %}<span class="none">n/a</span>{% elif check.passed %}<span class="pass">pass</span>\
{% else %}<span class="fail">fail</span>{% endif %}
<span><span class="name">{{ check.name }}</span>{% if check.kind %} <span class="fail">(\
{{ check.kind }})</span>{% endif %}<br>{{ check.message }}</span>
<span class="quiet more">{% if check.seconds is defined %}{{ "%.2f" | format(check.seconds) }} s{% endif %}</span></summary>
<div class="body">
{% if check.remedy %}<p class="remedy">{{ check.remedy }}</p>{% endif %}
{% if check.evidence.text %}
<pre>{% for span in check.evidence.text | spans %}{% if span.is_learned %}<span class="learned">{{ span.text }}</span>\
{% else %}{{ span.text }}{% endif %}{% endfor %}</pre>
{% endif %}
{% if check.evidence | figures %}
<dl>{% for name, value in check.evidence | figures %}<dt>{{ name }}</dt><dd>{{ value }}</dd>{% endfor %}</dl>
{% endif %}
</div>
</details>
{% endfor %}

<h2>From record to row</h2>
<div class="wide"><table>
<tr><th>source</th><th class="n">records</th><th class="n">malformed</th><th class="n">nothing to learn</th>\
<th class="n">held out</th>\
<th class="n">examples</th><th class="n">tokens</th><th class="n">targets</th><th class="n">lost</th>\
<th class="n">rows</th><th class="n">fill</th></tr>
{% for one in receipt.sources %}
<tr><td>{{ one.source }}</td><td class="n">{{ one.records | number }}</td><td class="n">{{ one.bad | number }}</td>\
<td class="n">{{ one.without_targets | number }}</td><td class="n">{{ one.held_out | number }}</td>\
<td class="n">{{ (one.conversations + one.documents) | number }}</td><td class="n">{{ one.tokens | number }}</td>\
<td class="n">{{ (one.targets - one.targets_lost.values() | sum) | number }}</td><td class="n">\
{{ one.targets_lost.values() | sum | number }}</td>\
<td class="n">{{ one.rows | number }}</td><td class="n">{{ "%.1f" | format(100 * one.fill) }}%</td></tr>
{% for cause, lost in one.targets_lost.items() %}
<tr><td></td><td colspan="10" class="quiet">{{ lost | number }} targets lost: {{ cause }}</td></tr>
{% endfor %}
{% endfor %}
</table></div>

{% if receipt.per_step %}
<h2>The run</h2>
<dl>
<dt>a step</dt><dd>{{ receipt.per_step.rows }} rows, {{ receipt.per_step.examples | number }} examples, \
{{ receipt.per_step.tokens | number }} tokens, {{ receipt.per_step.targets | number }} targets</dd>
<dt>an epoch</dt><dd>{{ receipt.per_step.steps_of_an_epoch_packed | number }} steps packed, \
{{ receipt.per_step.steps_of_an_epoch_unpacked | number }} with one example to a row</dd>
{% if receipt.predicted_loss is number %}<dt>loss before any step</dt><dd>{{ "%.4f" | \
format(receipt.predicted_loss) }} nats per target</dd>{% endif %}
<dt>attention</dt><dd>{{ receipt.attention.sentence }} ({{ receipt.attention.implementation }})</dd>
<dt>precision</dt><dd>{{ receipt.precision }}, weights {{ receipt.weights_dtype }}, on {{ receipt.device }}</dd>
<dt>parameters</dt><dd>{{ receipt.parameters | number }}</dd>
<dt>tokenizer</dt><dd><code>{{ receipt.tokenizer }}</code></dd>
<dt>chat template</dt><dd><code>{{ receipt.template }}</code></dd>
<dt>run file</dt><dd><code>{{ receipt.config }}</code></dd>
{% for name, hash in receipt.inputs.items() %}<dt>data of {{ name }}</dt><dd><code>{{ hash }}</code></dd>{% endfor %}
<dt>versions</dt><dd>{% for name, version in receipt.versions.items() %}{{ name }} {{ version }}\
{{ ", " if not loop.last }}{% endfor %}</dd>
</dl>
{% endif %}

{% if receipt.examples %}
<h2>As the model sees it</h2>
<p class="quiet"><span class="learned">Learned: the loss is taken here.</span> All else is read, not learned.</p>
{% for one in receipt.examples %}
<p>{{ one.source }} {{ one.file }}:{{ one.line }}: {{ one.tokens | number }} tokens, {{ one.targets | \
number }} targets</p>
<pre>{% for span in one.text | spans %}{% if span.is_learned %}<span class="learned">{{ span.text }}</span>\
{% else %}{{ span.text }}{% endif %}{% endfor %}</pre>
{% endfor %}
{% endif %}
</body>
</html>
"""
