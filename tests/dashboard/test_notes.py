import math
from pathlib import Path

import pytest

from tests.dashboard.conftest import begin, finish, probe, sample, tell
from twosignal.dashboard.view import RunView
from twosignal.records.events import Event


def view_of(folder: Path) -> RunView:
    view = RunView.of(folder)
    view.refresh()
    return view


def by_event(view: RunView, name: str) -> dict[int, list[float]]:
    found = view.notes.series(name, view.track())
    return dict(zip(found.steps, found.buckets.figures.tolist(), strict=True))


def test_a_sampling_is_its_mean_and_its_extremes(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    for total in (30.0, 60.0, 90.0):
        writer.append(sample(10, scores={"total": total}))
    writer.append(sample(20, scores={}, loss=math.nan))
    view = view_of(finish(writer, 20))
    assert by_event(view, "coherence")[10] == [60.0, 30.0, 90.0, 0.0]
    assert by_event(view, "coherence")[20][3] == 0.0, "what was not recorded is missing, not broken"
    assert by_event(view, "sample_loss")[10] == [1.5, 1.5, 1.5, 0.0]
    assert by_event(view, "sample_loss")[20][3] == 1.0


def test_shares_of_copied_and_broken_texts(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    writer.append(sample(10, "word " * 60, copied={"verdict": "memorized", "matches": []}))
    writer.append(sample(10, "The old man walked to the market and bought three apples for his wife, who was waiting "
                             "at home with the children and a pot of soup on the stove."))  # fmt: skip
    view = view_of(finish(writer, 10))
    assert by_event(view, "copied")[10][0] == 0.5
    assert by_event(view, "degenerate")[10][0] == 0.5


def test_a_verdict_on_a_text_that_the_run_recorded_is_not_asked_for_again(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    loop, plain = (
        "word " * 60,
        "The old man walked to the market and bought three apples for his wife at home.",
    )
    for step, text, scores in (
        (10, loop, {"total": 60.0, "degenerate": False}),
        (20, plain, {"total": 60.0, "degenerate": True}),
        (30, loop, {"total": 60.0, "degenerate": None}),
        (40, loop, {"total": 60.0, "degenerate": 0}),
    ):
        writer.append(sample(step, text, scores=scores))
    view = view_of(finish(writer, 40))
    assert {step: row[0] for step, row in by_event(view, "degenerate").items()} == {
        10: 0,
        20: 1,
        30: 0,
        40: 1,
    }


def test_breadth_is_the_effective_number_of_domains(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    writer.append(sample(10, domain="talk"))
    writer.append(sample(20, domain="books"))
    view = view_of(finish(writer, 20))
    assert by_event(view, "breadth")[10][0] == pytest.approx(1.0)
    assert by_event(view, "breadth")[20][0] == pytest.approx(2.0)


def test_probes_at_a_fixed_mixture_and_in_bits(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    writer.append(probe(10, 4.0, 2.0))
    view = view_of(finish(writer, 10))
    assert by_event(view, "probe")[10][0] == 3.0
    # The run began with three quarters books.
    assert by_event(view, "mix_adjusted")[10][0] == pytest.approx(3.5)
    assert by_event(view, "probe[books]")[10][0] == 4.0
    assert by_event(view, "probe_bits_per_byte")[10][0] == pytest.approx(3.0 * 20 / 80 / math.log(2))


def test_shares_follow_the_switches(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    tell(writer, {1: 2.0})
    writer.append(
        Event(kind="switch", step=1, body={"reason": "chat helps", "shares": {"books": 0.5, "chat": 0.5}})
    )
    view = view_of(finish(writer, 1))
    assert {step: row[0] for step, row in by_event(view, "share[chat]").items()} == {0: 0.25, 1: 0.5}


def test_series_grow_with_the_run_and_unknown_ones_are_refused(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    view = RunView.of(writer.path)
    for step in range(1, 13):
        writer.append(sample(step, domain=f"d{step % 3}"))
        writer.append(sample(step, domain="talk"))
        view.refresh()
        by_event(view, "breadth")
    writer.close()
    fresh = view_of(writer.path)
    assert by_event(view, "breadth") == by_event(fresh, "breadth")
    assert by_event(view, "coherence") == by_event(fresh, "coherence")
    for name in ("nothing", "probe[", "share[nobody]"):
        with pytest.raises(KeyError):
            view.notes.series(name, view.track())
