"""The page of `show.py`: takes examples as spans, gives HTML that needs nothing else. Jinja source, escaped."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Examples as the model sees them</title>
<style>
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1b1f24; --quiet: #59636e; --line: #d1d9e0; --learned: #cfe5ff; --rule: #0a58ca;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10141a; --ink: #e6edf3; --quiet: #9aa6b2; --line: #343c46; --learned: #143a66; --rule: #79b8ff;
  }
}
body {
  margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.3rem; }
h2 { font-size: 1rem; margin: 0 0 0.5rem; overflow-wrap: anywhere; }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
pre {
  margin: 0; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 0.9rem/1.7 ui-monospace, "Liberation Mono", Menlo, monospace;
}
.learned { background: var(--learned); text-decoration: underline; text-decoration-color: var(--rule); }
.control { color: var(--quiet); border: 1px solid var(--line); border-radius: 3px; padding: 0 0.15em; }
</style>
</head>
<body>
<h1>Examples as the model sees them</h1>
<p>{{ examples | length }} examples, {{ "{:,}".format(num_tokens) }} tokens, \
{{ "{:,}".format(num_targets) }} targets.</p>
<p>Legend: <span class="learned">learned: the loss is taken here</span>,
<span>context: read, not learned</span>, <span class="control">control token</span>.</p>
{% for example in examples %}
<section>
<h2>{{ example.heading }}</h2>
<pre>
{%- for span in example.spans -%}
<span class="{{ 'learned' if span.is_supervised }}{{ ' control' if span.is_control }}">{{ span.text }}</span>
{%- endfor -%}
</pre>
</section>
{% endfor %}
</body>
</html>
"""
