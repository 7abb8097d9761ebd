"""What happens becomes records: every figure in its column, every event with its fields, in an order that can be repeated."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.train.small import tiny_model
from twosignal.audits.finding import Finding, Verdict
from twosignal.config import TrainTable
from twosignal.records.columns import learning_columns
from twosignal.records.folder import read_heartbeat, read_sessions
from twosignal.records.reader import Run
from twosignal.records.retention import Retention
from twosignal.records.writer import RunWriter
from twosignal.tokens.training import train_tokenizer
from twosignal.train.checkpoint import Resumable, read_state
from twosignal.train.loss import Tally, TokenLoss
from twosignal.train.optimizer import Mover
from twosignal.train.recorder import Recorder, memory_bytes
from twosignal.train.step import StepFigures

SOURCES = ["chat", "books"]
START = {"model": "tiny", "vocab": 265, "steps": 9, "sources": SOURCES}
GATE = {"heartbeat": None}


def figures(step: int, *, seconds: float = 2.0, **losses: tuple[float, int]) -> StepFigures:
    """A step of 100 tokens; `losses` are (sum, targets) by source, with two bytes for each target."""
    by_source = {
        name: Tally(total=total, count=count, num_bytes=2 * count) for name, (total, count) in losses.items()
    }
    return StepFigures(
        step=step,
        loss=TokenLoss(by_source=by_source),
        gradient_norm=0.5,
        learning_rate=1e-3,
        rows=4,
        tokens_by_source={"chat": 70, "books": 30},
        seconds=seconds,
    )


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RunWriter]:
    columns = learning_columns(SOURCES)
    now = datetime(2026, 1, 1)
    with RunWriter.create(tmp_path, "small", run_toml="", columns=columns, now=now) as opened:
        yield opened


def recorder_of(writer: RunWriter, *, keep: int = 3) -> Recorder:
    retention = Retention(keep=keep, every=1, ladder=False)
    mix = {"shares": {"chat": 0.75, "books": 0.25}}
    return Recorder(writer, sources=SOURCES, mix=lambda: mix, retention=retention)


@pytest.fixture
def recorder(writer: RunWriter) -> Recorder:
    return recorder_of(writer)


@pytest.fixture(scope="module")
def parts() -> Resumable:
    model = tiny_model()
    tokenizer = train_tokenizer([], kind="bytes", vocab=265)
    return Resumable(model=model, tokenizer=tokenizer, mover=Mover(model, TrainTable(), peak=0.01))


def records(recorder: Recorder) -> Run:
    return Run(path=recorder.folder)


def kinds(recorder: Recorder) -> list[tuple[str, int]]:
    return [(event.kind, event.step) for event in records(recorder).events()]


def state(step: int, **more: Any) -> dict[str, Any]:
    return {
        "step": step,
        "best": None,
        "is_sound": True,
        "sound_step": None,
        "spent": {"targets": []},
        "gate": GATE,
        **more,
    }


def test_a_step_fills_its_columns(recorder: Recorder) -> None:
    recorder.step(figures(1, chat=(6.0, 3), books=(5.0, 2)))
    (row,) = records(recorder).steps()
    expected = {
        "step": 1,
        "loss_sum": 11.0,
        "targets": 5,
        "bytes": 10,
        "gradient_norm": 0.5,
        "learning_rate": 1e-3,
        "rows": 4,
        "tokens": 100,
        "loss_sum[chat]": 6.0,
        "targets[chat]": 3,
        "bytes[chat]": 6,
        "tokens[chat]": 70,
        "loss_sum[books]": 5.0,
        "targets[books]": 2,
        "bytes[books]": 4,
        "tokens[books]": 30,
    }
    assert {name: row[name] for name in expected} == expected
    (clock,) = records(recorder).clock()
    assert (clock["seconds"], clock["tokens_per_second"], clock["targets_per_second"]) == (2.0, 50.0, 2.5)
    assert clock["memory_bytes"] > 10**7


def test_a_source_that_was_not_drawn_has_no_targets(recorder: Recorder) -> None:
    recorder.step(figures(1, chat=(6.0, 3)))
    (row,) = records(recorder).steps()
    assert (row["loss_sum[books]"], row["targets[books]"]) == (0.0, 0)


def test_smoothed_losses_follow_the_formula(recorder: Recorder) -> None:
    """S0 = x0, then (S (N - 1) + x) / N: with 2 and 4 over 10 steps 2.2, over 100 steps 2.02."""
    assert recorder.smoothed == {10: None, 100: None, 1000: None}
    recorder.step(figures(1, chat=(8.0, 4)))
    recorder.step(figures(2, chat=(8.0, 2)))
    assert recorder.smoothed == pytest.approx({10: 2.2, 100: 2.02, 1000: 2.002})


def test_a_step_without_targets_leaves_the_averages(recorder: Recorder) -> None:
    recorder.step(figures(1, chat=(8.0, 4)))
    recorder.step(figures(2))
    assert recorder.smoothed == pytest.approx({10: 2.0, 100: 2.0, 1000: 2.0})
    assert records(recorder).steps()["targets"].tolist() == [4, 0]


def test_a_run_opens_with_what_it_is_and_what_the_proof_found(recorder: Recorder) -> None:
    recorder.open(resumed_from=None)
    recorder.begin(START, {"passed": True, "checks": []}, seconds=1.5)
    assert kinds(recorder) == [("start", 0), ("prove", 0)]
    start, proof = records(recorder).events()
    assert start.body["sources"] == SOURCES
    assert proof.body == {"passed": True, "checks": []}
    assert proof.clock["seconds"] == 1.5
    mix = json.loads((recorder.folder / "bandit.json").read_text())
    assert mix == {"run": recorder.folder.name, "shares": {"chat": 0.75, "books": 0.25}}
    (session,) = read_sessions(recorder.folder)
    assert session["resumed_from"] is None
    assert session["versions"].keys() == {"python", "torch", "transformers", "tokenizers"}
    beat = read_heartbeat(recorder.folder)
    assert beat is not None
    assert (beat.state, beat.gate_step) == ("running", None)


def test_probes_samples_verdicts_findings_and_actions_are_events(recorder: Recorder) -> None:
    recorder.probe(2, 1.75, {"chat": Tally(total=6.0, count=4, num_bytes=9)})
    recorder.samples(2, [{"prompt": "why?", "text": "because", "source": "chat", "loss": 2.0}])
    recorder.verdict(Verdict(kind="halt", reason="loops", evidence={"strikes": 5}, step=2, rule="loop"))
    recorder.finding(2, Finding(id="no-targets", severity="alarm", message="none", steps=(2,)))
    recorder.action(2, "halt", "loops")
    recorder.end(2, "halted", "loops", gate_step=2)
    told = list(records(recorder).events())
    assert [event.kind for event in told] == ["probe", "sample", "verdict", "finding", "action", "end"]
    assert {event.step for event in told} == {2}
    assert told[0].body == {"loss": 1.75, "by_source": {"chat": {"loss": 1.5, "targets": 4, "bytes": 9}}}
    assert told[2].body == {"verdict": "halt", "reason": "loops", "rule": "loop", "evidence": {"strikes": 5}}
    assert told[5].body == {"state": "halted", "reason": "loops"}
    assert json.loads((recorder.folder / "samples.json").read_text())[0]["text"] == "because"
    beat = read_heartbeat(recorder.folder)
    assert beat is not None
    assert (beat.state, beat.gate_step) == ("halted", 2)


def test_the_heart_beats_after_some_seconds_of_steps(recorder: Recorder) -> None:
    recorder.open(resumed_from=None)

    def last_beat() -> int:
        beat = read_heartbeat(recorder.folder)
        assert beat is not None
        return beat.step

    beats = []
    for step in range(1, 6):
        recorder.step(figures(step, chat=(1.0, 1), seconds=2.0))
        beats.append(last_beat())
    assert beats == [0, 0, 3, 3, 3]


def test_a_checkpoint_is_saved_and_then_told(recorder: Recorder, parts: Resumable) -> None:
    recorder.begin(START, {"passed": True, "checks": []}, seconds=1.5)
    recorder.step(figures(1, chat=(8.0, 4)))
    recorder.checkpoint(parts, state(1))
    event = list(records(recorder).events())[-1]
    body = {"path": "checkpoints/step-00000001", "sound": True, "best": None}
    assert event.body == body
    saved = read_state(recorder.folder / "checkpoints" / "step-00000001")
    assert saved["tell"] == [["checkpoint", body]]
    assert (saved["records"]["events"], saved["records"]["steps"]) == (2, 1)
    assert saved["smma"] == [{"periods": n, "value": 2.0} for n in (10, 100, 1000)]


def test_only_the_newest_checkpoints_and_the_best_stay(writer: RunWriter, parts: Resumable) -> None:
    recorder = recorder_of(writer, keep=2)
    for step in (1, 2, 3, 4):
        recorder.step(figures(step, chat=(8.0, 4)))
        recorder.checkpoint(parts, state(step, best="step-00000001"))
    names = [path.name for path in records(recorder).checkpoints()]
    assert names == ["step-00000001", "step-00000003", "step-00000004"]


def test_a_pause_is_saved_and_not_told(recorder: Recorder, parts: Resumable) -> None:
    recorder.step(figures(1, chat=(8.0, 4)))
    recorder.pause(parts, state(1))
    assert kinds(recorder) == []
    assert read_state(recorder.folder / "checkpoints" / "step-00000001")["tell"] == []
    beat = read_heartbeat(recorder.folder)
    assert beat is not None
    assert beat.state == "interrupted"


def test_a_pause_at_a_checkpoint_saves_nothing_anew(recorder: Recorder, parts: Resumable) -> None:
    recorder.step(figures(1, chat=(8.0, 4)))
    recorder.checkpoint(parts, state(1))
    recorder.pause(parts, state(1, best="step-00000077"))
    saved = read_state(recorder.folder / "checkpoints" / "step-00000001")
    assert (len(saved["tell"]), saved["best"]) == (1, None)


@pytest.mark.parametrize("is_told", [True, False])
def test_a_resumed_run_tells_what_an_undisturbed_one_tells(
    is_told: bool, tmp_path: Path, parts: Resumable
) -> None:
    """Two steps, one checkpoint after the first; the second time the process stops there and another goes on."""
    columns, now = learning_columns(SOURCES), datetime(2026, 1, 1)
    fingerprints = []
    for is_disturbed in (False, True):
        with RunWriter.create(tmp_path, "small", run_toml="", columns=columns, now=now) as writer:
            recorder = recorder_of(writer)
            recorder.begin(START, {"passed": True, "checks": []}, seconds=1.5)
            recorder.step(figures(1, chat=(8.0, 4)))
            if is_told:
                recorder.checkpoint(parts, state(1))
            elif is_disturbed:
                recorder.pause(parts, state(1))
            if not is_disturbed:
                recorder.step(figures(2, chat=(8.0, 2)))
                averages = recorder.smoothed
                recorder.end(2, "finished", "done", gate_step=None)
        if is_disturbed:
            saved = read_state(recorder.folder / "checkpoints" / "step-00000001")
            with RunWriter.reopen(recorder.folder) as writer:
                again = recorder_of(writer)
                again.resume(saved)
                again.step(figures(2, chat=(8.0, 2)))
                assert again.smoothed == averages
                again.end(2, "finished", "done", gate_step=None)
        fingerprints.append(records(recorder).fingerprint)
        assert kinds(recorder)[-1] == ("end", 2)
        assert records(recorder).attempts() == []
    assert fingerprints[0] == fingerprints[1]


def test_memory_is_told_in_bytes() -> None:
    assert 10**7 < memory_bytes() < 10**12
