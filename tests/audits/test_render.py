"""Tests of the printed audit."""

import math
from io import StringIO

from rich.console import Console

from twosignal.audits.gate import Gate
from twosignal.audits.render import excerpt, render_text
from twosignal.audits.report import audit, read_recording

Event = tuple[int, dict[str, object]]


def printed(samples: list[Event], probes: list[Event], *, num_texts: int = 12) -> str:
    report = audit(
        read_recording("andrea-1", samples, probes=probes, sources=("chat", "books")),
        Gate(random_chance=math.log(8449)),
    )
    console = Console(file=StringIO(), width=100, force_terminal=False)
    render_text(report, console, num_texts=num_texts)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_page_reads_window_verdict_tiers_probes_samples_findings_in_this_order(
    audit_window: list[Event],
) -> None:
    by_source = {"chat": {"loss": 2.25, "targets": 10, "bytes": 40}}
    page = printed(audit_window, [(112_000, {"loss": 2.25, "by_source": by_source})])
    place = 0
    for part in (
        "Audit of andrea-1",
        "steps 111,996 to 112,668, 9 samplings, 9 texts",
        "CONTINUE  No rule fired and no alarm",
        "Tiers of sample loss",
        "Held-out loss by source",
        "2.250 at 112,000",
        "Breadth  5.7 domains in effect",
        "no grades yet",
        "Samples",
        "> a haiku with three words",
        "the gate stays open.",
        "Findings",
        "possible-copy",
        "remove duplicates",
    ):
        place = page.index(part, place)
    assert "loss 0.13  ppl 1.14  ALERT  INVESTIGATE  coherence 98.5" in page
    assert max(len(line) for line in page.splitlines()) <= 100


def test_an_empty_run_still_prints_a_page() -> None:
    page = printed([], [])
    assert "0 samplings, 0 texts" in page
    assert "Samples: none in this window" in page
    assert "no-samples" in page


def test_too_many_texts_are_cut_to_the_suspicious_and_the_newest(healthy: tuple[str, ...]) -> None:
    samples: list[Event] = [(step, {"text": healthy[0]}) for step in range(100, 800, 10)]
    samples[3] = (130, {"text": "region " * 140})
    page = printed(samples, [], num_texts=4)
    assert "Samples (4 of 70; --json has all)" in page
    assert [step for step in (130, 760, 770, 780, 790) if f"\n{step} " in page] == [130, 770, 780, 790]


def test_generated_text_cannot_command_the_terminal() -> None:
    assert excerpt("a\x1b[31mb\rc\td\u202e") == "a\ufffd[31mb\ufffdc    d\ufffd"


def test_text_that_looks_like_markup_is_printed_as_it_is(healthy: tuple[str, ...]) -> None:
    assert "[bold]x[/bold]" in printed([(100, {"text": "[bold]x[/bold] " + healthy[0]})], [])


def test_an_excerpt_says_that_it_goes_on() -> None:
    assert excerpt("abc") == "abc"
    assert excerpt("x" * 300) == "x" * 280 + " ..."
    assert excerpt("\n".join("abcdefghij"), lines=2) == "a\nb ..."
