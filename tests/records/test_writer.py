"""Tests of the writer: takes steps and events told once or again, gives a folder that tells them once."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from twosignal.errors import RunError, StorageError
from twosignal.records.events import Event
from twosignal.records.reader import Run
from twosignal.records.writer import BEGINNING, RunWriter

from .toy_trainer import EVERY, one_step, resume, tell_checkpoint, train

SPEED = {"seconds": 0.1, "tokens_per_second": 1.0, "targets_per_second": 1.0, "memory_bytes": 5}


def numbers(loss: float) -> dict[str, float]:
    return {
        "loss_sum": loss,
        "targets": 2,
        "bytes": 7,
        "loss_sum[books]": loss,
        "targets[books]": 2,
        "tokens[books]": 3,
    }


def note(step: int, text: str) -> Event:
    return Event(kind="action", step=step, body={"action": text, "reason": "test"})


def losses(run: Run) -> list[tuple[int, int, float]]:
    rows = run.steps()
    return [(int(r["step"]), int(r["attempt"]), float(r["loss_sum"])) for r in rows]


def actions(run: Run) -> list[tuple[int, int, str]]:
    return [(event.step, event.attempt, event.text("action")) for event in run.events("action")]


def test_steps_and_events_read_back(writer: RunWriter) -> None:
    writer.step_row(1, numbers(8.0), clock=SPEED)
    writer.append(note(1, "first"))
    run = Run(path=writer.path)
    assert losses(run) == [(1, 0, 8.0)]
    assert actions(run) == [(1, 0, "first")]
    assert run.clock()["memory_bytes"].tolist() == [5]


def test_an_event_carries_the_wall_time_unless_it_has_one(writer: RunWriter) -> None:
    writer.append(note(0, "now"))
    writer.append(Event(kind="action", step=0, body=note(0, "then").body, clock={"time": 7.0}))
    now, then = (event.clock["time"] for event in Run(path=writer.path).events())
    assert isinstance(now, float)
    assert abs(now - time.time()) < 60
    assert then == 7.0


def test_a_row_with_a_missing_or_unknown_number_is_refused(writer: RunWriter) -> None:
    with pytest.raises(ValueError, match=r"lack 'loss_sum\[books\]'"):
        writer.step_row(1, {"loss_sum": 8.0, "targets": 2, "bytes": 7}, clock=SPEED)
    with pytest.raises(ValueError, match="no column 'mood'"):
        writer.step_row(1, {**numbers(8.0), "mood": 1.0}, clock=SPEED)
    assert losses(Run(path=writer.path)) == []


def test_steps_must_rise(writer: RunWriter) -> None:
    writer.step_row(2, numbers(8.0), clock=SPEED)
    with pytest.raises(ValueError, match="step 2 after step 2"):
        writer.step_row(2, numbers(8.0), clock=SPEED)


def test_an_event_that_breaks_the_schema_is_not_written(writer: RunWriter) -> None:
    with pytest.raises(ValueError, match="the body lacks 'text'"):
        writer.append(Event(kind="sample", step=1, body={"prompt": "Say"}))
    with pytest.raises(TypeError, match=r"action event at step 1: scores is a set"):
        writer.append(Event(kind="action", step=1, body={"action": "a", "reason": "r", "scores": {1}}))
    assert list(Run(path=writer.path).events()) == []


def test_a_second_writer_is_refused_and_the_lock_goes_with_the_first(writer: RunWriter) -> None:
    with pytest.raises(RunError, match="another process is writing"):
        RunWriter.reopen(writer.path)
    path = writer.path
    writer._lock.release()
    RunWriter.reopen(path).close()


def test_a_damaged_run_does_not_stay_locked(tmp_path: Path) -> None:
    path = train(tmp_path)
    whole = (path / "events.jsonl").read_bytes()
    (path / "events.jsonl").write_bytes(b"hello\n")
    with pytest.raises(RunError, match=r"events\.jsonl:1: this is not the record of a run"):
        RunWriter.reopen(path)
    (path / "events.jsonl").write_bytes(whole)
    RunWriter.reopen(path).close()


def test_a_folder_that_is_no_run_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="this is not a run folder"):
        RunWriter.reopen(tmp_path)


def test_a_reopened_run_goes_on_at_its_end(writer: RunWriter) -> None:
    writer.step_row(1, numbers(8.0), clock=SPEED)
    writer.append(note(1, "first"))
    writer.close()
    with RunWriter.reopen(writer.path) as again:
        again.append(note(1, "second"))
        again.step_row(2, numbers(3.5), clock=SPEED)
    run = Run(path=writer.path)
    assert losses(run) == [(1, 0, 8.0), (2, 0, 3.5)]
    assert actions(run) == [(1, 0, "first"), (1, 0, "second")]
    assert run.verify_chain() is None


def test_a_run_told_again_writes_nothing_and_has_the_same_cursor(writer: RunWriter) -> None:
    for step in (1, 2):
        writer.step_row(step, numbers(8.0 / step), clock=SPEED)
        writer.append(note(step, "first"))
    cursor = writer.cursor()
    before = {p: p.read_bytes() for p in writer.path.rglob("*") if p.is_file()}
    writer.rewind(BEGINNING)
    for step in (1, 2):
        writer.step_row(step, numbers(8.0 / step), clock={**SPEED, "seconds": 9.0})
        writer.append(note(step, "first"))
    assert writer.cursor() == cursor
    assert json.loads(json.dumps(cursor)) == cursor
    assert writer.diverged_at is None
    assert {p: p.read_bytes() for p in writer.path.rglob("*") if p.is_file()} == before


def test_a_differing_row_begins_a_new_attempt_there(writer: RunWriter) -> None:
    writer.step_row(1, numbers(8.0), clock=SPEED)
    writer.append(note(1, "one"))
    cursor = writer.cursor()
    writer.step_row(2, numbers(3.5), clock=SPEED)
    writer.append(note(2, "two"))
    writer.step_row(3, numbers(2.8), clock=SPEED)
    writer.rewind(cursor)
    writer.step_row(2, numbers(3.5), clock=SPEED)
    writer.append(note(2, "two"))
    writer.step_row(3, numbers(1.0), clock=SPEED)
    assert (writer.diverged_at, writer.attempt) == (3, 1)
    run = Run(path=writer.path)
    assert losses(run) == [(1, 0, 8.0), (2, 0, 3.5), (3, 1, 1.0)]
    assert run.steps(live=False)["loss_sum"].tolist() == [8.0, 3.5, 2.8, 1.0]
    assert run.clock()["attempt"].tolist() == [0, 0, 1]
    assert actions(run) == [(1, 0, "one"), (2, 0, "two")]
    assert [(fork.parent, fork.step) for fork in run.attempts()] == [(0, 3)]
    assert run.verify_chain() is None


def test_a_differing_event_keeps_the_row_of_its_step(writer: RunWriter) -> None:
    writer.step_row(1, numbers(8.0), clock=SPEED)
    writer.append(note(1, "halt"))
    writer.append(Event(kind="end", step=1, body={"state": "halted"}))
    writer.rewind(BEGINNING)
    writer.step_row(1, numbers(8.0), clock=SPEED)
    writer.append(note(1, "continue"))
    writer.step_row(2, numbers(3.5), clock=SPEED)
    run = Run(path=writer.path)
    assert losses(run) == [(1, 0, 8.0), (2, 1, 3.5)]
    assert actions(run) == [(1, 1, "continue")]
    assert list(run.events("end")) == []
    assert len(list(run.events("end", live=False))) == 1


def test_a_finished_run_can_be_made_longer(tmp_path: Path) -> None:
    path = train(tmp_path, steps=EVERY)
    with RunWriter.reopen(path) as writer:
        state, done = resume(writer, EVERY, 1)
        for step in range(done + 1, 7):
            state = one_step(writer, step, state)
    run = Run(path=path)
    assert run.steps()["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in run.samples()] == [2, 4, 6]
    assert list(run.events("end")) == []
    assert run.verify_chain() is None


def test_a_roll_back_begins_a_new_attempt_at_once(writer: RunWriter) -> None:
    writer.step_row(1, numbers(8.0), clock=SPEED)
    cursor = writer.cursor()
    writer.step_row(2, numbers(3.5), clock=SPEED)
    writer.rewind(cursor, replay=False)
    writer.step_row(2, numbers(3.5), clock=SPEED)
    assert (writer.attempt, writer.diverged_at) == (1, None)
    assert losses(Run(path=writer.path)) == [(1, 0, 8.0), (2, 1, 3.5)]


def test_an_abandoned_attempt_can_be_taken_up_again(writer: RunWriter) -> None:
    writer.step_row(1, numbers(8.0), clock=SPEED)
    early = writer.cursor()
    writer.step_row(2, numbers(3.5), clock=SPEED)
    writer.append(note(2, "old"))
    late = writer.cursor()
    writer.rewind(early, replay=False)
    writer.step_row(2, numbers(1.0), clock=SPEED)
    writer.append(note(2, "new"))
    writer.rewind(late)
    writer.step_row(3, numbers(2.8), clock=SPEED)
    assert writer.diverged_at is None
    run = Run(path=writer.path)
    assert losses(run) == [(1, 0, 8.0), (2, 0, 3.5), (3, 2, 2.8)]
    assert actions(run) == [(2, 0, "old")]
    assert run.verify_chain() is None


def test_a_run_that_forked_can_be_told_again_through_its_fork(writer: RunWriter) -> None:
    writer.step_row(1, numbers(8.0), clock=SPEED)
    cursor = writer.cursor()
    writer.step_row(2, numbers(3.5), clock=SPEED)
    writer.append(note(2, "old"))
    writer.rewind(cursor)
    for _ in range(2):
        writer.step_row(2, numbers(3.5), clock=SPEED)
        writer.append(note(2, "new"))
        writer.step_row(3, numbers(2.8), clock=SPEED)
        end = writer.cursor()
        writer.rewind(cursor)
    assert losses(Run(path=writer.path)) == [(1, 0, 8.0), (2, 0, 3.5), (3, 1, 2.8)]
    assert len(Run(path=writer.path).attempts()) == 1
    writer.rewind(end)
    assert (writer.attempt, writer.cursor()) == (1, end)


def test_an_abandoned_row_is_not_taken_for_told(writer: RunWriter) -> None:
    writer.step_row(1, numbers(8.0), clock=SPEED)
    writer.append(note(1, "one"))
    cursor = writer.cursor()
    writer.step_row(2, numbers(3.5), clock=SPEED)
    writer.rewind(cursor, replay=False)
    writer.rewind(BEGINNING)
    writer.step_row(1, numbers(8.0), clock=SPEED)
    writer.step_row(2, numbers(3.5), clock=SPEED)
    run = Run(path=writer.path)
    assert losses(run) == [(1, 0, 8.0), (2, 2, 3.5)]
    assert actions(run) == []


def test_an_abandoned_event_is_not_taken_for_told(writer: RunWriter) -> None:
    writer.step_row(1, numbers(8.0), clock=SPEED)
    cursor = writer.cursor()
    writer.append(note(1, "one"))
    writer.rewind(cursor, replay=False)
    writer.rewind(BEGINNING)
    writer.append(note(1, "one"))
    run = Run(path=writer.path)
    assert actions(run) == [(1, 2, "one")]
    assert losses(run) == []


def test_a_cursor_of_other_records_is_refused(writer: RunWriter) -> None:
    writer.append(note(0, "first"))
    cursor = writer.cursor()
    for wrong in (
        {**cursor, "hash": "0" * 32},
        {**cursor, "events": 2},
        {**cursor, "steps": 1},
    ):
        with pytest.raises(RunError, match="the checkpoint is not of these records"):
            writer.rewind(wrong)  # type: ignore[arg-type]


def test_a_cursor_waits_for_the_disk(writer: RunWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not say which file a descriptor is")
    monkeypatch.setattr(os, "fsync", watch)
    writer.cursor()
    assert synced == ["events.jsonl", "learning.bin", "clock.bin"]


@pytest.mark.parametrize("what", ["row", "event", "sync"])
def test_a_full_disk_is_a_storage_error(
    writer: RunWriter, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=re.escape("cannot write: No space left on device")):
        {
            "row": lambda: writer.step_row(1, numbers(8.0), clock=SPEED),
            "event": lambda: writer.append(note(1, "first")),
            "sync": writer.flush,
        }[what]()


@pytest.mark.parametrize("told", [False, True])
def test_a_kill_before_or_after_the_checkpoint_event_makes_no_difference(
    writer: RunWriter, *, told: bool
) -> None:
    writer.step_row(1, numbers(8.0), clock=SPEED)
    cursor = writer.cursor()
    if told:
        tell_checkpoint(writer, 1)
    writer.close()
    with RunWriter.reopen(writer.path) as resumed:
        resumed.rewind(cursor)
        tell_checkpoint(resumed, 1)
        assert resumed.diverged_at is None
    assert [event.kind for event in Run(path=writer.path).events()] == ["checkpoint"]
