"""The page: verdict, checks, ledger and drawn text, in HTML that needs nothing else and trusts no text of the data."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.prove.test_receipt import BAD, GOOD, OPEN, receipt
from tests.train.small import small_setup
from twosignal.errors import StorageError
from twosignal.prove.page import Span, figures, receipt_page, spans, write_page
from twosignal.prove.proof import prove
from twosignal.prove.receipt import Check


def test_a_whole_receipt_is_shown(tmp_path: Path) -> None:
    found = prove(small_setup(tmp_path))
    page = receipt_page(found.as_dict(), title="Proof of small")
    assert "<h1>Proof of small</h1>" in page
    assert '<span class="word">Passed.</span> 15 checks found no fault, 0 did not apply.' in page
    assert all(f">{check.id}</span>" in page for check in found.checks)
    assert '<span class="learned">0&lt;|end|&gt;</span>' in page
    assert found.facts["template"] in page
    assert "nats per target" in page
    assert "open>" not in page


def test_a_fault_is_unfolded_with_its_evidence() -> None:
    drawn = replace(BAD, evidence={"text": "<user>hi[[ learned ]]</user>", "largest_change": 0.125})
    page = receipt_page(receipt(GOOD, drawn, OPEN).as_dict(), title="t")
    assert '<span class="word">Refused.</span> 1 of 3 checks found a fault: leak.' in page
    assert page.count('<details class="fault" open>') == 1
    assert '&lt;user&gt;hi<span class="learned"> learned </span>&lt;/user&gt;' in page
    assert "<dt>largest change</dt><dd>0.125</dd>" in page
    assert "Use another model." in page


def test_it_loads_nothing_from_elsewhere_and_runs_nothing() -> None:
    evil = Check(
        id="S1", name="<script>alert(1)</script>", passed=False, kind="leak", message="a & b", remedy="<b>"
    )
    page = receipt_page(receipt(evil).as_dict(), title="<i>")
    assert not re.search(r"<script|<link|<img|src=|href=|url\(|@import", page)
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page
    assert "prefers-color-scheme: dark" in page


def test_a_receipt_of_an_older_version_is_shown_too() -> None:
    old = receipt(GOOD).as_dict()
    for name in ("share_of_run", "predicted_loss", "seconds"):
        del old[name]
    for check in old["checks"]:
        del check["seconds"]
    assert "Passed." in receipt_page(old, title="old")


def test_learned_stretches_are_told_apart() -> None:
    assert list(spans("a[[b]]c")) == [Span("a", False), Span("b", True), Span("c", False)]
    assert list(spans("")) == []


def test_evidence_is_written_in_figures() -> None:
    given = {"text": "x", "empty": {}, "rows_seen": 12345, "share": 0.123456, "big": 16213.9, "by": {"a": 1}}
    assert figures(given) == [
        ("rows seen", "12,345"),
        ("share", "0.1235"),
        ("big", "16,214"),
        ("by", '{"a": 1}'),
    ]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the page cannot be written"):
        write_page(receipt(GOOD).as_dict(), tmp_path / "none" / "page.html", title="t")
