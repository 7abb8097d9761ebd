"""The four-way reading: the lessons' own exercises, each corner of the table, and every reason to wait."""

import math

import pytest

from twosignal.audits.grading.reading import SEVERITIES, Kind, Signals, read_signals


def test_the_exercises_of_the_lessons() -> None:
    gaming = read_signals(Signals(loss=2.5, random_chance=math.log(8449), coherence=70, grade=3))
    assert gaming.kind == "metric gaming"
    assert gaming.reason.startswith("loss and texts look fine and readers disagree: fluent, but wrong")
    assert "loss 2.50; coherence 70; mean grade 3.0 of 10" in gaming.reason
    healthy = read_signals(Signals(loss=2.0, random_chance=math.log(8449), coherence=85, grade=9))
    assert healthy.kind == "healthy"
    loop = read_signals(Signals(loss=2.8, random_chance=math.log(8449), coherence=45, grade=2))
    assert loop.kind == "poor"
    assert "loss 2.80; coherence 45, too low; mean grade 2.0" in loop.reason


@pytest.mark.parametrize(
    ("loss", "coherence", "degenerate", "grade", "kind"),
    [
        (2.0, 85.0, 0.0, 6.0, "healthy"),
        (2.0, 85.0, 0.0, 5.9, "metric gaming"),
        (5.0, 85.0, 0.0, 8.0, "metric blind"),
        (5.0, 85.0, 0.0, 3.0, "poor"),
        (math.nan, 85.0, 0.0, 3.0, "poor"),
        (2.0, 59.0, 0.0, 8.0, "metric blind"),
        (2.0, 85.0, 0.26, 3.0, "poor"),
        (2.0, None, 0.0, 3.0, "metric gaming"),
        (None, 85.0, None, 3.0, "metric gaming"),
    ],
)
def test_every_corner(
    loss: float | None, coherence: float | None, degenerate: float | None, grade: float, kind: Kind
) -> None:
    signals = Signals(loss=loss, coherence=coherence, degenerate=degenerate, grade=grade)
    assert read_signals(signals).kind == kind


@pytest.mark.parametrize(
    ("doubt", "said"),
    [
        ({"num_graders": 1}, "one reader is an anecdote"),
        ({"alpha": 0.5}, "they agree too little (alpha 0.50, wanted 0.667)"),
        ({"alpha": math.nan}, "their agreement cannot be measured"),
        ({"grade_interval": (5.5, 7.5)}, "the mean may lie on either side of 6 (5.5 to 7.5)"),
    ],
)
def test_doubt_is_said_with_what_it_leans_to(doubt: dict[str, object], said: str) -> None:
    reading = read_signals(Signals(loss=2.0, coherence=85, grade=6.5, **doubt))  # type: ignore[arg-type]
    assert (reading.kind, reading.leaning) == ("undecided", "healthy")
    assert f"it leans to healthy, but {said}" in reading.reason


def test_without_grades_or_without_a_view_from_inside_nothing_is_decided() -> None:
    assert read_signals(Signals(loss=2.0)).kind == "undecided"
    assert "nothing is known from inside" in read_signals(Signals(grade=8.0)).reason


def test_a_known_vocabulary_sets_the_line_for_the_loss() -> None:
    assert Signals(loss=3.0, random_chance=math.log(256)).loss_is_fine is False
    assert Signals(loss=3.0, random_chance=math.log(50_000)).loss_is_fine is True


def test_gaming_is_an_alarm_and_health_a_note() -> None:
    reading = read_signals(Signals(loss=2.5, coherence=70, grade=3))
    finding = reading.finding(tuple(range(100)))
    assert (finding.id, finding.severity, len(finding.steps)) == ("grading", "alarm", 20)
    assert finding.message.startswith("metric gaming: loss and texts look fine")
    assert SEVERITIES["healthy"] == SEVERITIES["undecided"] == "note"
