"""The results as a page: takes `Results`, gives HTML with pictures that needs nothing else. Texts are escaped."""

import math
from collections.abc import Sequence

import jinja2
from markupsafe import Markup

from twosignal.audits.grading.plot import AXES, points, svg
from twosignal.audits.grading.results import ItemResult, Results

MOST_ITEMS = 12
"""Samples shown in full: the worst graded half, then the best."""

SHEET = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Grades of {{ results.run }}</title>
<style>
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1b1f24; --quiet: #59636e; --line: #d1d9e0; --sheet: #f6f8fa;
  --sample: #0a58ca; --sound: #116329; --broken: #a40e26;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10141a; --ink: #e6edf3; --quiet: #9aa6b2; --line: #343c46; --sheet: #171d25;
    --sample: #79b8ff; --sound: #56d364; --broken: #ff7b72;
  }
}
body {
  margin: 2rem auto 4rem; max-width: 64rem; padding: 0 1rem;
  background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.3rem; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin: 2rem 0 0.6rem; }
.verdict { border: 1px solid var(--line); border-radius: 6px; padding: 0.9rem 1.1rem; background: var(--sheet); }
.word { font-weight: 700; text-transform: uppercase; }
.quiet { color: var(--quiet); }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.2rem; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; } svg text { fill: var(--quiet); }
.grid { stroke: var(--line); }
.sample { fill: var(--sample); fill-opacity: 0.65; stroke: var(--sample); }
.sound { stroke: var(--sound); } .broken { stroke: var(--broken); } .sound, .broken { stroke-width: 2; fill: none; }
.key span { margin-right: 1.2rem; } .key .o { color: var(--sample); } .key .s { color: var(--sound); }
.key .b { color: var(--broken); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--quiet); font-size: 0.85rem; }
th, td { padding: 0.3rem 0.9rem 0.3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
article { border-top: 1px solid var(--line); padding: 0.8rem 0; }
pre {
  margin: 0.3rem 0; padding: 0.7rem 0.9rem; background: var(--sheet); border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; unicode-bidi: isolate; font: inherit;
}
</style>
</head>
<body>
<h1>Grades of {{ results.run }}</h1>
<div class="verdict"><span class="word">{{ results.reading.kind }}</span>: {{ results.reading.reason }}.</div>
<p class="quiet">Bundle {{ results.bundle }}: {{ results.samples | length }} samples drawn from \
{{ results.population }}. Agreement (Krippendorff's alpha, ordinal): {{ results.agreement.all_items | figure }} over all
items, {{ results.agreement.samples | figure }} ({{ results.agreement.samples_interval | span }}) over the samples.
Mean grade of the samples {{ results.means.get("sample") | figure }} ({{ results.interval | span }}), of sound controls
{{ results.means.get("sound") | figure }}, of broken ones {{ results.means.get("broken") | figure }}. Rank correlation of
grades with coherence {{ results.correlations["coherence"] | figure }}, with loss \
{{ results.correlations["loss"] | figure }}.</p>
<h2>Inside against outside</h2>
<p class="key quiet"><span class="o">o sample</span><span class="s">+ sound control</span>\
<span class="b">x broken control</span></p>
<div class="pictures">
{% for picture in pictures %}
<div>{{ picture }}</div>
{% endfor %}
</div>
<h2>Graders</h2>
<div class="wide"><table>
<tr><th>grader</th><th>kind</th><th>grades</th><th>left out</th><th>mean of samples</th><th>controls in order</th>
<th>apart when asked twice</th><th>seconds per text</th><th>counts</th></tr>
{% for card in results.graders %}
<tr><td>{{ card.grader }}</td><td>{{ card.rater }}</td><td>{{ card.num_grades }}</td><td>{{ card.num_missing }}</td>
<td>{{ card.mean | figure }}</td><td>{{ card.attention | figure }}</td><td>{{ card.consistency | figure }}</td>
<td>{{ card.seconds | figure }}</td><td>{{ "yes" if card.counts else "no" }}</td></tr>
{% endfor %}
</table></div>
{% if results.faults %}
<h2>Faults of the samples</h2>
<p>{% for fault, count in results.faults.items() %}{{ fault }} {{ count }}{{ ", " if not loop.last }}{% endfor %}</p>
{% endif %}
<h2>Worst and best graded samples</h2>
{% for item in shown %}
<article><strong>{{ item.grade | figure }}</strong> <span class="quiet">step {{ "{:,}".format(item.step) }}, \
{{ item.source }}, loss {{ item.loss | figure }}, coherence {{ item.coherence | figure }}\
{% for fault, count in item.faults.items() %}, {{ fault }} {{ count }}{% endfor %}</span>
<pre class="quiet" dir="auto">{{ item.prompt }}</pre>
<pre dir="auto">{{ item.text }}</pre>
{% for note in item.notes %}<p class="quiet">{{ note }}</p>{% endfor %}
</article>
{% endfor %}
</body>
</html>
"""


def results_page(results: Results) -> str:
    """Return the page of the results."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = figure
    environment.filters["span"] = lambda interval: f"{figure(interval[0])} to {figure(interval[1])}"
    found = {axis: points(results.items, axis) for axis in AXES}
    pictures = [Markup(svg(dots, axis)) for axis, dots in found.items() if dots]
    shown = worst_and_best(results.samples)
    return environment.from_string(SHEET).render(results=results, pictures=pictures, shown=shown)


def worst_and_best(samples: Sequence[ItemResult], most: int = MOST_ITEMS) -> list[ItemResult]:
    """Return at most `most` samples by grade, from the worst: half of them the worst, the rest the best."""
    ordered = sorted(samples, key=lambda one: one.grade)
    if len(ordered) <= most:
        return ordered
    return [*ordered[: most // 2], *ordered[len(ordered) - (most - most // 2) :]]


def figure(number: object) -> str:
    """Return a number for people; a dash for what cannot be said."""
    if not isinstance(number, (int, float)) or not math.isfinite(number):
        return "-"
    return f"{number:.2f}"
