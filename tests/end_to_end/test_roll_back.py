"""The second story as a stranger runs it: a run that rots, goes back by itself, and ends well; and one killed meanwhile."""

import re
from pathlib import Path

import pytest

from tests.end_to_end.stranger import played
from tests.end_to_end.toy import the_run
from twosignal.audits.degeneration import score
from twosignal.records.events import Event
from twosignal.records.reader import Run


@pytest.mark.slow
def test_the_story_is_what_it_says(tmp_path: Path) -> None:
    told = played("second_story.py", tmp_path, timeout=600)
    (folder,) = tmp_path.glob("second-story-*")
    run = Run(path=the_run(folder / "runs"))
    check_records(run)
    night, morning = told.split("THE MORNING")
    back, cut = actions(run)
    assert f"roll-back: rolled back from step {back.number('from_step'):g} to step " in night
    assert f"re-mix: {cut.text('reason')}" in night
    assert f"{run.id}: finished at step 140; last verdict: continue" in morning
    losses = [float(loss) for loss in re.findall(r"training loss +([\d.]+)", night)]
    assert min(losses) < 0.15, "the loss looked better than ever when the texts were loops"


def actions(run: Run) -> list[Event]:
    """Return what the gate did."""
    return [event for event in run.events("action") if event.body["action"] in ("roll-back", "re-mix")]


def check_records(run: Run) -> None:
    """The texts rotted, the run went back, halved its rate, cut the source off, and ended coherent."""
    back, cut = (event.body for event in actions(run))
    assert (back["action"], cut["action"]) == ("roll-back", "re-mix")
    assert (back["rule"] in ("andrea", "loop", "default"), back["rate"], back["budget_left"]) == (
        True,
        0.5,
        1,
    )
    assert (cut["source"], cut["share"], cut["budget_left"]) == ("synthetic", 0.0, 0)
    assert (run.state, run.last_step) == ("finished", 140)
    assert run.verdicts()[-1].text("verdict") == "continue"
    abandoned = [event for event in run.events("sample", live=False) if event.attempt == 0]
    assert score(abandoned[-1].text("text")).degenerate
    newest = [event.text("text") for event in run.samples() if event.step == 140]
    assert newest
    assert not any(score(text).degenerate for text in newest)
    assert all(re.fullmatch(r"\w+ has \d+ \w+ now\.", text) for text in newest)
    live, there = run.steps(), int(actions(run)[0].number("to_step"))
    after = live["step"] > there
    assert live["rows"][after].sum() == 4 * (140 - there)
    assert live["targets[synthetic]"][after].sum() == 0
    assert run.verify_chain() is None
