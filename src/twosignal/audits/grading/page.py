"""The grading page: takes a bundle, gives one HTML file that works offline and saves a grader's file.

Served, the same page keeps grades with its server as well: one more script of the server's own, and requests to it alone.

What the model wrote is hostile until shown otherwise: texts enter the page as data, are shown as text, and a
content policy allows the page's own script and nothing else, no request included.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

import jinja2
from markupsafe import Markup

from twosignal.audits.grading.bundle import VERSION, Bundle
from twosignal.audits.grading.grades import FAULTS
from twosignal.audits.grading.sheet import SCRIPT, SHEET

ANCHORS: tuple[tuple[str, str], ...] = (
    ("1-2", "broken: loops, scraps, no sentence"),
    ("3-4", "sentences, but wrong or beside the point"),
    ("5", "partly right, of little use"),
    ("6-7", "useful, with faults"),
    ("8-9", "good: a careful person could have written it"),
    ("10", "could not be better"),
)
"""What the scores mean; part of the page, so that all graders measure with one ruler."""


def grading_page(bundle: Bundle, *, served: bool = False) -> str:
    """Return the page of a bundle; it holds what graders may see and nothing else.

    `served` has it ask /served.js to keep the grades with the server that it came from.
    """
    data = {
        "version": VERSION,
        "bundle": bundle.bundle,
        "key_sha256": bundle.key_sha256,
        "faults": list(FAULTS),
        "served": served,
        "items": [asdict(item) for item in bundle.items],
    }
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(SHEET).render(
        bundle=bundle,
        anchors=ANCHORS,
        faults=FAULTS,
        data=embedded(data),
        script=Markup(SCRIPT),
        policy=Markup(page_policy(served=served)),
        served=served,
    )


def page_policy(*, served: bool) -> str:
    """Return the content policy of the page: its own script by hash, and, where it is served, its server."""
    script = f"'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
    server = " 'self'; connect-src 'self'; img-src data:" if served else ""
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {script}{server}; "
        "base-uri 'none'; form-action 'none'"
    )


def embedded(data: Mapping[str, object]) -> Markup:
    """Return `data` as JSON that may stand in a script element: no character of it can end the element."""
    text = json.dumps(data)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
