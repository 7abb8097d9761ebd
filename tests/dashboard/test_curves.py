import math
from pathlib import Path

import numpy as np
import pytest

from tests.dashboard.conftest import CLOCK, begin, finish, numbers, rolled_back, tell
from twosignal.dashboard.view import RunView
from twosignal.records.smoothing import smma


def view_of(folder: Path) -> RunView:
    view = RunView.of(folder)
    view.refresh()
    return view


def drawn(view: RunView, name: str, *, width: int = 1, attempt: int | None = None) -> list[list[float]]:
    track = view.track(attempt)
    figures = view.curves.buckets(name, track, width=width, span=range(track.count)).figures
    return figures.tolist()  # type: ignore[no-any-return]


def test_loss_perplexity_and_bits_are_those_of_the_columns(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    tell(writer, {1: math.log(8), 2: math.log(2)})
    view = view_of(finish(writer, 2))
    assert [row[0] for row in drawn(view, "loss")] == pytest.approx([math.log(8), math.log(2)])
    assert [row[0] for row in drawn(view, "ppl")] == pytest.approx([8.0, 2.0])
    # 10 targets stand for 40 bytes: 3 bits a target are 0.75 bits a byte.
    assert [row[0] for row in drawn(view, "bits_per_byte")] == pytest.approx([0.75, 0.25])
    assert [row[0] for row in drawn(view, "loss[chat]")] == pytest.approx([math.log(8), math.log(2)])
    assert [row[0] for row in drawn(view, "learning_rate")] == [0.01, 0.01]
    assert [row[0] for row in drawn(view, "seconds")] == [0.5, 0.5]


def test_a_step_without_targets_has_no_loss_and_a_broken_one_is_counted(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    writer.step_row(1, numbers(2.0), clock=CLOCK)
    writer.step_row(2, numbers(2.0) | {"targets": 0, "loss_sum": 0.0}, clock=CLOCK)
    writer.step_row(3, numbers(math.inf), clock=CLOCK)
    view = view_of(finish(writer, 3))
    assert drawn(view, "loss", width=4) == [[2.0, 2.0, 2.0, 1.0]]
    assert [row[0] for row in drawn(view, "smma100")] == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("name", ["smma10", "smma100", "smma1000"])
def test_averages_are_those_of_the_records_at_every_zoom(runs_dir: Path, name: str) -> None:
    losses = np.random.default_rng(3).normal(3.0, 0.5, 700)
    losses[100] = math.nan
    writer = begin(runs_dir)
    tell(writer, dict(enumerate(losses.tolist(), start=1)))
    view = view_of(finish(writer, 700))
    expected = smma(losses, periods=int(name[4:]))
    assert [row[0] for row in drawn(view, name)] == pytest.approx(expected.tolist())
    assert [row[0] for row in drawn(view, name, width=32)] == pytest.approx([*expected[31::32], expected[-1]])
    track = view.track()
    near = view.curves.buckets(name, track, width=1, span=range(333, 340)).last
    assert near.tolist() == pytest.approx(expected[333:340].tolist())


def test_a_growing_run_is_drawn_as_if_it_had_been_there_at_once(runs_dir: Path) -> None:
    losses = np.random.default_rng(4).normal(3.0, 0.5, 200)
    writer = begin(runs_dir)
    view = RunView.of(writer.path)
    for step, loss in enumerate(losses.tolist(), start=1):
        tell(writer, {step: loss})
        if step % 37 == 0:
            view.refresh()
            assert len(drawn(view, "smma10", width=16)) == -(-step // 16)
            assert drawn(view, "seconds", width=16)[-1][0] == 0.5
    folder = finish(writer, 200)
    view.refresh()
    fresh = view_of(folder)
    for name in ("loss", "smma10", "tokens_per_second"):
        np.testing.assert_allclose(drawn(view, name, width=16), drawn(fresh, name, width=16), rtol=1e-12)


def test_timing_that_is_not_written_yet_is_missing_and_comes_later(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    tell(writer, dict.fromkeys(range(1, 33), 2.0))
    clock = writer.path / "steps" / "clock.bin"
    whole = clock.read_bytes()
    row = (len(whole) - whole.index(b"\n") - 1) // 32
    clock.write_bytes(whole[:-row])
    view = RunView.of(writer.path)
    view.refresh()
    assert np.isnan(drawn(view, "seconds")[-1][0])
    assert drawn(view, "seconds", width=32) == [[0.5, 0.5, 0.5, 0.0]]
    clock.write_bytes(whole)
    tell(writer, {33: 2.0})
    writer.close()
    view.refresh()
    assert [row[0] for row in drawn(view, "seconds")] == [0.5] * 33
    assert drawn(view, "seconds", width=16)[-1] == [0.5, 0.5, 0.5, 0.0]


def test_after_a_roll_back_the_new_path_is_drawn_and_the_old_one_on_request(runs_dir: Path) -> None:
    view = view_of(rolled_back(runs_dir))
    assert [row[0] for row in drawn(view, "loss")] == [3.0] * 40 + [2.0] * 40
    assert [row[0] for row in drawn(view, "loss", attempt=0)] == [3.0] * 40 + [9.0] * 20
    assert [row[0] for row in drawn(view, "seconds", width=16)] == [0.5] * 5
    track = view.track()
    assert view.curves.steps(track, np.array([0, 39, 40, 79])).tolist() == [1, 40, 41, 80]
    assert view.curves.span(track, first_step=41, last_step=60) == range(40, 60)


def test_a_roll_back_while_somebody_looks_redraws_the_path(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    tell(writer, dict.fromkeys(range(1, 41), 3.0))
    cursor = writer.cursor()
    tell(writer, dict.fromkeys(range(41, 61), 9.0))
    view = view_of(writer.path)
    assert drawn(view, "loss", width=64)[0][2] == 9.0
    writer.rewind(cursor, replay=False)
    tell(writer, {41: 2.0})
    writer.close()
    view.refresh()
    assert drawn(view, "loss", width=64) == [[2.0, 2.0, 3.0, 0.0]]
    assert drawn(view, "loss", width=64, attempt=0)[0][2] == 9.0
