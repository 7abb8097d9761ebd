"""Tests of the whole audit: windows, verdicts, and the shape of the JSON."""

import json
import math

import pytest

from twosignal.audits.gate import Gate
from twosignal.audits.monitors import no_targets
from twosignal.audits.report import Recording, audit, default_window, read_recording

Event = tuple[int, dict[str, object]]
CHANCE = math.log(8449)


def recording(samples: list[Event], probes: list[Event] | None = None) -> Recording:
    return read_recording("andrea", samples, probes=probes or [], sources=("chat", "books"))


def test_the_112_thousand_window_has_one_sample_to_investigate_and_six_domains(
    audit_window: list[Event],
) -> None:
    report = audit(recording(audit_window), Gate(random_chance=CHANCE))
    assert report.steps == (111_996, 112_668)
    assert [text.step for text in report.checks.texts if text.action == "INVESTIGATE"] == [112_080]
    assert [(finding.id, finding.steps) for finding in report.findings] == [("possible-copy", (112_080,))]
    assert len(report.checks.breadth.counts) == 6
    assert not report.checks.breadth.is_stuck
    assert report.verdict.kind == "continue"
    assert "possible-copy" in report.verdict.reason


def test_the_collapsed_run_is_halted_with_the_gates_own_sentence(collapsed_run: list[Event]) -> None:
    report = audit(recording(collapsed_run), Gate(), steps=(70_000, 84_000))
    assert report.verdict.kind == "halt"
    assert report.verdict.rule == "andrea"
    assert "steps 80,000 to 84,000" in report.verdict.reason


def test_the_gate_is_told_what_came_before_the_window(collapsed_run: list[Event]) -> None:
    report = audit(recording(collapsed_run), Gate(), steps=(84_000, 84_000))
    assert report.verdict.kind == "halt"


def test_the_gate_is_not_told_what_comes_after_the_window(collapsed_run: list[Event]) -> None:
    report = audit(recording(collapsed_run), Gate(), steps=(60_000, 79_000))
    assert report.verdict.kind == "continue"
    assert report.findings == ()


def test_strikes_that_do_not_yet_halt_ask_for_a_pivot(collapsed_run: list[Event]) -> None:
    report = audit(recording(collapsed_run), Gate(), steps=(60_000, 81_000))
    assert report.verdict.kind == "pivot"
    assert report.verdict.rule == "strikes"
    assert report.verdict.reason == "2 samplings running were strikes, and 5 halt the run"


def test_the_default_window_is_700_steps_or_8_samplings_whichever_is_more() -> None:
    dense = recording([(step, {"text": "t"}) for step in range(50, 2_001, 50)])
    assert default_window(dense) == (1_300, 2_000)
    sparse = recording([(step, {"text": "t"}) for step in range(1_000, 20_001, 1_000)])
    assert default_window(sparse) == (13_000, 20_000)
    young = recording([(100, {"text": "t"})])
    assert default_window(young) == (100, 100)


def test_a_run_without_samples_says_so() -> None:
    report = audit(recording([], [(100, {"loss": 5.0})]), Gate())
    assert report.steps == (0, 100)
    assert [finding.id for finding in report.findings] == ["no-samples"]
    assert report.verdict.kind == "continue"
    assert "no-samples" in report.verdict.reason


def test_alarms_come_first_and_ask_for_a_pivot(audit_window: list[Event]) -> None:
    told = read_recording("r", audit_window, probes=[], health=[no_targets(112_100), no_targets(3)])
    report = audit(told, Gate())
    assert [finding.id for finding in report.findings] == ["no-targets", "possible-copy"]
    assert report.verdict.kind == "pivot"
    assert report.verdict.reason.startswith("no targets at step 112,100")


def test_a_single_source_run_is_not_stuck_in_it(healthy: tuple[str, ...]) -> None:
    samples: list[Event] = [
        (step, {"text": healthy[step % 6], "source": "chat"}) for step in range(100, 1_100, 100)
    ]
    alone = read_recording("r", samples, probes=[], sources=("chat",))
    assert audit(alone, Gate()).verdict.kind == "continue"
    several = read_recording("r", samples, probes=[], sources=("chat", "books"))
    assert audit(several, Gate()).verdict.rule == "stuck-domain"


def test_the_json_has_the_fields_of_the_contract(audit_window: list[Event]) -> None:
    audit_window[0][1]["loss"] = math.nan
    probes: list[Event] = [
        (100, {"loss": None, "by_source": {"chat": {"loss": None, "targets": 1, "bytes": 4}}})
    ]
    report = audit(recording(audit_window, probes), Gate(random_chance=CHANCE))
    told = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert told["run"] == "andrea"
    assert told["steps"] == [111_996, 112_668]
    assert set(told["checks"]) == {"tiers", "outliers", "texts", "breadth", "grading"}
    assert told["checks"]["grading"] == "no grades yet"
    assert {"id", "severity", "message", "evidence", "steps"} <= set(told["findings"][0])
    assert told["verdict"] == "continue"
    assert told["reason"]
    assert told["checks"]["texts"][1]["score"]["total"] > 90
    assert told["checks"]["texts"][0]["loss"] is None
    assert told["probes"][0]["first"] is None


def test_a_rolled_back_attempt_does_not_count(healthy: tuple[str, ...]) -> None:
    bad: list[Event] = [(step, {"text": "region " * 140}) for step in range(100, 600, 100)]
    good: list[Event] = [(step, {"text": healthy[0]}) for step in range(100, 600, 100)]
    assert audit(recording(bad), Gate()).verdict.kind == "halt"
    assert audit(recording([*bad, *good]), Gate()).verdict.kind == "continue"


@pytest.mark.parametrize("steps", [(100, 300), (100, 500)])
def test_the_verdict_is_that_of_the_live_gate(steps: tuple[int, int], collapsed_run: list[Event]) -> None:
    shifted = [(100 * number, body) for number, (_, body) in enumerate(collapsed_run[20:], start=1)]
    live = Gate()
    verdicts = [live.observe_samples(step, [body]) for step, body in shifted if step <= steps[1]]
    report = audit(recording(shifted), Gate(), steps=steps)
    assert (report.verdict.kind == "halt") == (verdicts[-1].kind == "halt")
