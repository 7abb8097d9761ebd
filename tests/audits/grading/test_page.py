"""The page works by itself and nothing a model wrote can act in it."""

import base64
import hashlib
import json
import re
from dataclasses import replace

from tests.audits.grading.conftest import Sealed
from twosignal.audits.grading.page import grading_page

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)> <!-- ]]> & \u2028 \ud800"


def test_hostile_text_stays_text(sealed: Sealed) -> None:
    items = tuple(replace(item, text=HOSTILE, prompt=HOSTILE) for item in sealed[0].items)
    page = grading_page(replace(sealed[0], items=items))
    assert (page.count("<script"), page.count("</script>"), page.count("<img")) == (2, 2, 0)
    data = re.search(r'<script type="application/json" id="bundle">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert "<" not in data[1]
    assert {item["text"] for item in json.loads(data[1])["items"]} == {HOSTILE}
    page.encode("utf-8")


def test_only_the_pages_own_script_may_run_and_nothing_is_fetched(sealed: Sealed) -> None:
    page = grading_page(sealed[0])
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
    assert not re.search(r"https?://|\bsrc=|<link|@import|fetch\(|XMLHttp", page)
    assert not re.search(r"innerHTML|outerHTML|document\.write|eval\(", script[0])


def test_it_publishes_the_hash_and_hides_the_key(sealed: Sealed) -> None:
    bundle, key = sealed
    page = grading_page(bundle)
    assert page.count(bundle.key_sha256) == 2
    for hidden in (key.run, key.secret, "chat-arm", "notes.txt"):
        assert hidden not in page


def test_it_follows_the_browsers_theme_and_has_a_control_for_every_score_and_fault(sealed: Sealed) -> None:
    page = grading_page(sealed[0])
    assert "prefers-color-scheme: dark" in page
    assert page.count('type="radio" name="score"') == 10
    assert page.count('type="checkbox" name="fault"') == 4
