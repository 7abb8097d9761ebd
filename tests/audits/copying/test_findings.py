"""What an audit says of copied samples: by source, with the place, and apart from what the loss alone would have seen."""

from typing import Any

from twosignal.audits.copying.findings import copy_findings
from twosignal.audits.gate import Gate
from twosignal.audits.outliers import find_outliers
from twosignal.audits.recorded import Sample, read_sample
from twosignal.audits.report import Recording, audit

TEXT = (
    "The parakeet was declared extinct in 1939, after the last wild bird had been seen in the swamps of the south, and "
    "none has been heard of since by anyone who could prove it."
)


def copied(verdict: str, *, tokens: int = 60, source: str = "books", line: int = 7) -> dict[str, Any]:
    match = {"source": source, "file": "b.txt", "line": line, "tokens": tokens, "occurrences": 3}
    return {"verdict": verdict, "longest_tokens": tokens, "matches": [match] if tokens >= 20 else []}


def sample(step: int, loss: float | None, said: dict[str, Any] | None) -> Sample:
    body: dict[str, Any] = {"text": TEXT, "tokens": 60, "source": "books", "copied": said}
    return read_sample(step, body if loss is None else body | {"loss": loss})


def test_copies_are_told_by_source_with_the_longest_place() -> None:
    samples = [
        sample(100, 0.13, copied("memorized", tokens=60)),
        sample(200, 1.9, copied("memorized", tokens=84, line=12)),
        sample(300, 1.2, copied("memorized", tokens=51, source="chat")),
        *(sample(step, 1.5, copied("novel", tokens=0)) for step in range(400, 1600, 100)),
    ]
    books, chat = copy_findings(samples)
    assert (books.id, books.severity, books.steps) == ("copied-text", "warning", (100, 200))
    assert books.evidence == {
        "source": "books",
        "copied": 2,
        "samples": 15,
        "normal_loss": 1,
        "longest_tokens": 84,
        "place": "b.txt:12",
        "occurrences": 3,
        "share": None,
        "text": TEXT[:57] + "...",
    }
    assert "2 of 15 samples are copied from source books" in books.message
    assert "84 tokens at step 200, stands at b.txt:12, and 3 times in all" in books.message
    assert "the loss of 1 of them looks normal" in books.message
    assert (chat.evidence["source"], chat.evidence["normal_loss"], chat.steps) == ("chat", 1, (300,))


def test_a_quarter_of_all_samples_is_an_alarm() -> None:
    two = [sample(step, 1.0, copied("memorized")) for step in (1, 2)]
    fresh = [sample(step, 1.0, copied("novel", tokens=0)) for step in range(3, 9)]
    assert [one.severity for one in copy_findings([*two, *fresh])] == ["alarm"]
    assert [one.severity for one in copy_findings([*two, *fresh, *fresh])] == ["warning"]
    assert [one.severity for one in copy_findings(two[:1])] == ["warning"]


def test_short_shared_passages_are_a_note_counted_by_source() -> None:
    samples = [
        sample(1, 1.0, copied("suspect", tokens=30)),
        sample(2, 1.0, copied("suspect", tokens=22, source="chat")),
        sample(3, 1.0, copied("suspect", tokens=25)),
    ]
    (note,) = copy_findings(samples)
    assert (note.id, note.severity) == ("shared-passages", "note")
    assert note.evidence["by_source"] == {"books": 2, "chat": 1}


def test_without_an_index_nothing_is_said() -> None:
    assert copy_findings([sample(1, 0.1, None), sample(2, 1.0, None)]) == ()


def test_what_was_recorded_oddly_is_no_fault() -> None:
    (finding,) = copy_findings([sample(1, 0.1, {"verdict": "memorized", "matches": "?"})])
    assert (finding.evidence["place"], finding.evidence["longest_tokens"]) == ("?:?", 0)


def test_the_index_decides_what_a_low_loss_means() -> None:
    kinds = [
        (sample(1, 0.13, copied("memorized")), "copy", "INVESTIGATE"),
        (sample(2, 0.13, copied("suspect", tokens=30)), "possible copy", "INVESTIGATE"),
        (sample(3, 0.13, copied("predictable", tokens=0)), "predictable", "ACCEPT_WITH_NOTE"),
        (sample(4, 0.13, None), "possible copy", "INVESTIGATE"),
    ]
    found = find_outliers([one for one, _, _ in kinds])
    assert [(one.kind, one.action) for one in found] == [(kind, action) for _, kind, action in kinds]


def test_the_audit_shows_copies_whatever_their_loss() -> None:
    samples = (sample(100, 0.13, copied("memorized")), sample(200, 1.1, copied("memorized")))
    fresh = tuple(sample(step, 1.1, copied("novel", tokens=0)) for step in range(300, 1100, 100))
    recording = Recording(run="r", samples=samples + fresh, probes=())
    report = audit(recording, Gate(threshold=30.0, patience=5), steps=(0, 2000))
    assert [one.id for one in report.findings if one.id in ("copied-text", "possible-copy")] == [
        "copied-text"
    ]
    texts = {text.step: text for text in report.checks.texts}
    assert texts[200].action == texts[100].action == "INVESTIGATE"
    assert "copied from b.txt:7" in texts[200].flags
    assert texts[300].action == "ACCEPT_WITH_NOTE"
    assert not any(flag.startswith("copied") for flag in texts[300].flags)
