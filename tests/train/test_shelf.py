"""Which checkpoints a run may go back to, and which it keeps."""

import json
from pathlib import Path
from typing import Any

import pytest

from twosignal.records.retention import Retention
from twosignal.records.saved import Place
from twosignal.train.shelf import Saved, counts, names_to_keep, read_shelf, target_of, vouched


def saved(step: int, rollbacks: int = 0, **more: Any) -> Saved:
    place = Place(rollbacks, step)
    fields = {"is_told": True, "is_sound": True, "best": None, **more}
    return Saved(path=Path(place.name), place=place, **fields)


def newest(keep: int) -> Retention:
    return Retention(keep=keep, every=10, ladder=False)


def steps(found: tuple[Saved, ...]) -> list[int]:
    return [one.place.step for one in found]


def test_a_checkpoint_saved_after_the_last_sound_sampling_is_not_gone_back_to() -> None:
    """Saved at every 10 steps, sampled at 20: what 30 holds nobody has looked at."""
    shelf = [saved(10), saved(20), saved(30)]
    assert steps(vouched(shelf, sound_step=20, targets=())) == [10, 20]
    assert vouched(shelf, sound_step=None, targets=()) == ()


def test_only_told_and_sound_checkpoints_count() -> None:
    shelf = [saved(10), saved(15, is_told=False), saved(20, is_sound=False)]
    assert steps(vouched(shelf, sound_step=20, targets=())) == [10]


def test_what_was_saved_on_an_abandoned_way_does_not_count() -> None:
    """Back from 50 to 20, then from 60 to 30: of the first way only 20 and before count, of the second 30 and before."""
    targets = (20, 30)
    assert [counts(Place(0, step), targets) for step in (10, 20, 21)] == [True, True, False]
    assert [counts(Place(1, step), targets) for step in (20, 30, 40)] == [True, True, False]
    assert counts(Place(2, 90), targets)
    assert [counts(Place(1, step), (30, 20)) for step in (20, 30)] == [True, False]


@pytest.mark.parametrize(
    ("found", "targets", "expected"),
    [
        ([], (), None),
        ([10, 20], (), 20),
        ([10, 20], (20,), 10),
        ([20], (20,), 20),
        ([10, 20, 30], (20,), 30),
        ([10], (20, 10), 10),
    ],
)
def test_what_led_to_the_same_end_is_not_gone_back_to_twice(
    found: list[int], targets: tuple[int, ...], expected: int | None
) -> None:
    target = target_of([saved(step) for step in found], targets=targets)
    assert (target.place.step if target else None) == expected


def test_two_to_go_back_to_are_kept_beside_the_newest_and_their_best() -> None:
    shelf = [saved(5), saved(8), *(saved(step, best="step-00000008") for step in (10, 20))]
    shelf += [saved(step, is_sound=False, best="step-00000008") for step in (30, 40)]
    kept = names_to_keep(shelf, retention=newest(1), sound_step=20, targets=())
    assert kept == {"step-00000008", "step-00000010", "step-00000020", "step-00000040"}


def test_an_abandoned_way_is_not_kept() -> None:
    shelf = [saved(10), saved(20), saved(30), saved(40, is_sound=False), saved(20, 1)]
    kept = names_to_keep(shelf, retention=newest(3), sound_step=20, targets=(20,))
    assert kept == {"step-00000010", "step-00000020", "step-00000020-r1"}


def test_a_shelf_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    """After the roll back to 20, step 30 comes again."""
    for name in ("step-00000020-r1", "step-00000030", "step-00000020", "step-00000030-r1", ".step-x.partial"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        state = {"tell": [["checkpoint", {}]], "is_sound": name.endswith("r1"), "best": "step-00000020"}
        (tmp_path / "checkpoints" / name / "state.json").write_text(json.dumps(state))
    shelf = read_shelf(tmp_path)
    assert [one.path.name for one in shelf] == [
        "step-00000020",
        "step-00000030",
        "step-00000020-r1",
        "step-00000030-r1",
    ]
    assert [one.is_sound for one in shelf] == [False, False, True, True]
    assert all(one.is_told and one.best == "step-00000020" for one in shelf)
