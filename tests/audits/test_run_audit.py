"""Tests of auditing a run folder: the published window, foreign trainers, halted runs, and windows of long runs."""

import math
from itertools import pairwise
from pathlib import Path

import pytest

from tests.audits.conftest import HEALTHY
from tests.audits.run_folders import audit_window, probe, sample, start, write_run
from twosignal.audits.monitors import no_targets
from twosignal.audits.run_audit import audit_run
from twosignal.errors import RunError
from twosignal.records.events import Event
from twosignal.records.reader import Run

LETTERS = (
    "wq zxk jvhq pplw qzz mnx vbq jjkw xqz lkq wvv zqk jxq ppz kwq zzx qvw jjq xkz qpl wvz kqj xzz qwv pjk "
    * 2
)


def finding(step: int, **body: object) -> Event:
    return Event(kind="finding", step=step, body=no_targets(step).as_dict() | body)


def end(step: int, state: str, reason: str) -> Event:
    return Event(kind="end", step=step, body={"state": state, "reason": reason})


def test_the_112_thousand_window_has_one_text_to_investigate_and_six_healthy_domains(tmp_path: Path) -> None:
    report = audit_run(Run(path=audit_window(tmp_path)))
    assert report.steps == (111_996, 112_668)
    assert [text.step for text in report.checks.texts if text.action == "INVESTIGATE"] == [112_080]
    assert [
        text.tier for text in report.checks.texts if text.step in (112_584, 112_668, 112_248, 112_500)
    ] == [
        "constraint",
        "imprecise",
        "factual",
        "textbook",
    ]
    assert len(report.checks.breadth.counts) == 6
    assert not report.checks.breadth.is_stuck
    (finding,) = report.findings
    assert (finding.id, finding.severity, finding.steps) == ("copied-text", "warning", (112_080,))
    assert "54 tokens at step 112,080, stands at repo/table/rows.py:41" in finding.message
    assert "repo-docstrings has 23.6% of the rows" in finding.message  # 1.546 of 6.546
    assert report.verdict.kind == "continue"
    assert report.draws is not None
    assert report.draws.effective == pytest.approx(report.draws.expected, abs=0.05)


def test_a_run_of_another_trainer_needs_no_samples_probes_or_chances(tmp_path: Path) -> None:
    path = write_run(tmp_path, [start()], losses=dict.fromkeys(range(1, 51), 3.0))
    report = audit_run(Run(path=path))
    assert report.steps == (0, 50)
    assert [one.id for one in report.findings] == ["no-samples"]
    assert (report.verdict.kind, report.draws) == ("continue", None)


@pytest.mark.parametrize("body", [{"random_chance": "9.0"}, {"random_chance": math.nan}, {"shares": 7}])
def test_what_a_start_does_not_tell_is_done_without(tmp_path: Path, body: dict[str, object]) -> None:
    path = write_run(tmp_path, [start(**body), sample(10, HEALTHY[0], loss=12.0)], losses={10: 3.0})
    assert [text.tier for text in audit_run(Run(path=path)).checks.texts] == ["random"]


def test_a_run_halted_by_an_alarm_is_a_halt(tmp_path: Path) -> None:
    alarm = no_targets(30)
    path = write_run(
        tmp_path,
        [start(), sample(20, HEALTHY[0]), finding(30), end(30, "halted", alarm.message)],
        losses=dict.fromkeys(range(1, 30), 3.0),
    )
    report = audit_run(Run(path=path))
    assert (report.verdict.kind, report.verdict.rule, report.verdict.step) == ("halt", "no-targets", 30)
    assert report.verdict.reason == alarm.message
    assert report.advice == alarm.remedy
    assert [one.id for one in report.findings] == ["no-targets"]
    assert audit_run(Run(path=path), steps=(1, 25)).verdict.kind == "continue"


def test_a_run_halted_for_a_reason_of_its_own_is_a_halt_and_a_finished_one_is_not(tmp_path: Path) -> None:
    losses = dict.fromkeys(range(1, 31), 3.0)
    events = [start(), sample(20, HEALTHY[0])]
    halted = write_run(tmp_path, [*events, end(30, "halted", "the host said so")], losses=losses)
    report = audit_run(Run(path=halted))
    assert (report.verdict.kind, report.verdict.reason, report.verdict.rule) == (
        "halt",
        "the host said so",
        "",
    )
    finished = write_run(tmp_path, [*events, end(30, "finished", "all steps done")], losses=losses)
    assert audit_run(Run(path=finished)).verdict.kind == "continue"


def test_what_the_run_recorded_and_nothing_here_can_see_is_told(tmp_path: Path) -> None:
    seen = finding(25, id="mask-lost", message="wrong targets at step 25: the mask is lost", steps=[25])
    path = write_run(
        tmp_path, [start(), sample(20, HEALTHY[0]), seen], losses=dict.fromkeys(range(1, 31), 3.0)
    )
    report = audit_run(Run(path=path))
    assert (report.verdict.kind, report.verdict.rule) == ("pivot", "mask-lost")
    assert audit_run(Run(path=path), steps=(26, 30)).verdict.kind == "continue"


def test_a_fault_that_began_before_the_window_is_seen_in_it(tmp_path: Path) -> None:
    losses = {step: 3.0 if step < 50 else math.nan for step in range(1, 201)}
    path = write_run(tmp_path, [start(), sample(200, HEALTHY[0])], losses=losses)
    report = audit_run(Run(path=path), steps=(150, 200))
    found = next(one for one in report.findings if one.id == "non-finite")
    assert found.steps[0] == 150
    assert found.evidence["num_steps"] == 51


def test_the_curve_is_read_up_to_the_end_of_the_window_and_stretches_count_where_they_reach_in(
    tmp_path: Path,
) -> None:
    """The loss falls to 2 by step 1,000, rises to 4 until step 2,000, and comes down to 1 by step 3,000."""
    curve = {1: 8.0, 1_000: 2.0, 2_000: 4.0, 3_000: 1.0}
    steps = sorted(curve)
    losses: dict[int, float] = {}
    for left, right in pairwise(steps):
        for step in range(left, right + 1):
            way = (step - left) / (right - left)
            losses[step] = curve[left] + way * (curve[right] - curve[left])
    path = write_run(tmp_path, [start()], losses=losses)
    early = audit_run(Run(path=path), steps=(1_700, 1_900))
    assert [(one.id, one.severity) for one in early.findings if one.id == "divergence"] == [
        ("divergence", "alarm")
    ]
    late = audit_run(Run(path=path), steps=(1_700, 3_000))
    assert [(one.id, one.severity) for one in late.findings if one.id == "divergence"] == [
        ("divergence", "note")
    ]
    before = audit_run(Run(path=path), steps=(1, 900))
    assert [one.id for one in before.findings if one.id == "divergence"] == []


def test_the_mix_of_a_switch_is_what_rows_are_compared_with(tmp_path: Path) -> None:
    switch = Event(kind="switch", step=20, body={"reason": "phase", "shares": {"chat": 0.0, "books": 1.0}})
    events = [start(shares={"chat": 1.0, "books": 0.0}), switch, sample(40, HEALTHY[0])]
    rows = {step: {"chat": 16, "books": 0} for step in range(1, 41)}
    path = write_run(tmp_path, events, rows=rows)
    assert [one.id for one in audit_run(Run(path=path), steps=(1, 20)).findings if "source" in one.id] == []
    late = audit_run(Run(path=path), steps=(21, 40))
    assert late.draws is not None
    assert late.draws.due == {"chat": 0.0, "books": 320.0}
    assert [one.id for one in late.findings] == ["stuck-source"]


def test_the_tiers_are_those_of_the_stored_run_file(tmp_path: Path) -> None:
    events = [start(), sample(10, HEALTHY[0], loss=0.15)]
    path = write_run(tmp_path, events, losses={10: 3.0}, run_toml="[tiers]\nalert = 0.1\n")
    report = audit_run(Run(path=path))
    assert [(tier.tier, tier.action) for tier in report.checks.tiers] == [("factual", "ACCEPT")]
    assert report.checks.outliers == ()
    assert [text.action for text in report.checks.texts] == ["ACCEPT"]
    broken = write_run(tmp_path, events, losses={10: 3.0}, run_toml="[tiers]\nalert = 9.0\n")
    with pytest.raises(RunError, match=r"run.toml: the tiers of the run cannot be read .*factual"):
        audit_run(Run(path=broken))


def test_broken_texts_of_a_sound_loss_are_told_though_their_total_is_fine(tmp_path: Path) -> None:
    events = [start(), *(sample(step, LETTERS, loss=1.2) for step in (10, 20)), probe(20, 2.0)]
    path = write_run(tmp_path, events, losses=dict.fromkeys(range(1, 21), 3.0))
    report = audit_run(Run(path=path))
    broken = next(one for one in report.findings if one.id == "broken-texts")
    assert broken.steps == (10, 20)
    assert broken.evidence["kinds"]["random-letters"] == 2  # type: ignore[index]


def test_what_was_said_of_a_young_curve_is_not_said_of_a_grown_one(tmp_path: Path) -> None:
    early = finding(5, id="divergence", message="the loss rose", steps=[3, 5])
    path = write_run(
        tmp_path, [start(), sample(20, HEALTHY[0]), early], losses=dict.fromkeys(range(1, 21), 3.0)
    )
    assert audit_run(Run(path=path), steps=(1, 20)).verdict.kind == "continue"
