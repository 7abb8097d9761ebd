"""How a run gets on: learning and composition between probes, and what happens when the held-out loss stands still."""

import json
import math
from pathlib import Path

import pytest

from tests.train.small import small_setup
from tests.train.test_loop import running
from twosignal.train.loss import Tally
from twosignal.train.progress import Progress


def tally(total: float, count: int) -> Tally:
    return Tally(total=total, count=count)


def test_two_windows_between_probes_are_split() -> None:
    """Books 4.0 and lists 1.0 throughout; three quarters books, then one: 3.25 becomes 1.75, all of it mix."""
    progress = Progress()
    assert progress.split() is None, "no step yet"
    progress.step(1, {"books": tally(120, 30), "lists": tally(25, 25)})
    progress.step(2, {"books": tally(180, 45)})
    assert progress.split() is None, "one window only"
    progress.step(3, {"books": tally(100, 25), "lists": tally(math.nan, 5)})
    other = Progress()
    other.restore(json.loads(json.dumps(progress.state())))
    for one in (progress, other):
        one.step(4, {"lists": tally(75, 75)})
        split = one.split()
        assert split == {
            "steps": [[1, 2], [3, 4]],
            "before": 3.25,
            "after": 1.75,
            "learning": pytest.approx(0.0),
            "composition": pytest.approx(-1.5),
        }


def falling_until(step: int) -> list[tuple[int, float]]:
    """A probe every 100 steps to 4,000, with half a nat per e-fold of steps up to `step` and none after."""
    return [(at, 8 - 0.5 * math.log(min(at, step))) for at in range(100, 4001, 100)]


def test_a_plateau_is_told_once() -> None:
    progress = Progress()
    told = [
        (step, finding.id)
        for step, loss in falling_until(1500)
        if (finding := progress.plateau(step, loss, epochs={"a": 6.0}, shares={"a": 1.0}))
    ]
    assert len(told) == 1
    assert told[0][1] == "data-starvation"
    assert 1700 <= told[0][0] <= 2500


@pytest.mark.parametrize(("asked", "action"), [("note", "note"), ("restart-rate", "restart-rate")])
def test_what_is_done_about_a_plateau_is_recorded(asked: str, action: str, tmp_path: Path) -> None:
    """The schedule stands at half of the peak in step 2,000, and lower from there."""
    setup = small_setup(
        tmp_path,
        run={"steps": 4000},
        train={"schedule": "linear", "warmup": 0, "end": 0.0},
        curriculum={"on_plateau": asked},
    )
    with running(setup, tmp_path) as (run, records):
        for step, loss in falling_until(2000):
            run.steering.judge(step, loss)
        (event,) = records.events("action")
        (finding,) = (one for one in records.events("finding") if one.text("id") == "plateau")
        assert event.step == finding.step > 2000
        assert event.text("action") == action
        assert event.text("reason").startswith("the held-out loss stands still since step")
        factor = run.rate.factor(event.step + 100)
        assert factor > 0.9 if asked == "restart-rate" else factor < 0.5
