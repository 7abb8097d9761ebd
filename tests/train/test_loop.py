"""The loop in small: what is measured, said and saved when, and what stops it."""

import io
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.train.small import small_setup, weights_of
from twosignal.audits.finding import Verdict
from twosignal.audits.gate import Gate
from twosignal.packs.pack import NO_TARGET, Pack
from twosignal.records.columns import learning_columns
from twosignal.records.reader import Run
from twosignal.records.retention import Retention
from twosignal.records.writer import RunWriter
from twosignal.train.batch import measure
from twosignal.train.forecast import carried_targets
from twosignal.train.loop import fit, probe, save
from twosignal.train.loss import Tally, TokenLoss
from twosignal.train.optimizer import Mover
from twosignal.train.rate import Rate
from twosignal.train.recorder import Recorder
from twosignal.train.run import sampler_of
from twosignal.train.running import Running
from twosignal.train.setup import Setup
from twosignal.train.steering.requests import Requests
from twosignal.train.steering.steering import Steering, mix_report
from twosignal.train.step import take_step
from twosignal.train.watch import Watch

HELD_OUT = {"held_out": 0.3, "held_out_at": "end"}


@contextmanager
def running(setup: Setup, folder: Path) -> Iterator[tuple[Running, Run]]:
    """A run before its first step, with its folder open, and its records."""
    writer = RunWriter.create(
        folder / "runs",
        "small",
        run_toml="",
        columns=learning_columns(setup.sources),
        now=datetime(2026, 1, 1),
    )
    with writer:
        recorder = Recorder(
            writer,
            sources=list(setup.sources),
            mix=partial(mix_report, setup),
            retention=Retention(keep=9, every=1),
        )
        watch = Watch(Console(file=io.StringIO()), steps=setup.steps, done=0)
        rate = Rate(schedule=setup.learning_rate(), rewarm=setup.config.train.rewarm)
        run = Running(
            setup=setup,
            mover=setup.mover(),
            rate=rate,
            gate=Gate(random_chance=setup.random_chance, unigram_loss=setup.unigram_loss),
            sampler=sampler_of(setup),
            recorder=recorder,
            watch=watch,
            steering=Steering(
                setup, recorder=recorder, watch=watch, rate=rate, requests=Requests(Run(path=writer.path))
            ),
        )
        yield run, Run(path=writer.path)


def two_sources(folder: Path, **tables: Any) -> Setup:
    """Chats and lines of text, each with a held-out part."""
    (folder / "lines.txt").write_text("".join(f"line number {n} of the text\n" for n in range(9)))
    sources = {
        "chat": {"path": "chat.jsonl", **HELD_OUT, "weight": 1.0},
        "lines": {"path": "lines.txt", "documents": "lines", **HELD_OUT, "weight": 3.0},
    }
    return small_setup(folder, **{"sources": sources, "curriculum": {"policy": "fixed"}, **tables})


def steps_of(run: Run, kind: Any) -> list[int]:
    return [event.step for event in run.events(kind)]


def test_the_held_out_loss_is_mixed_by_the_weights_of_the_target(tmp_path: Path) -> None:
    target = {"chat": 1.0, "lines": 3.0}
    setup = two_sources(tmp_path, curriculum={"policy": "uniform", "target": target})
    tallies = {
        name: measure(setup.learner, source.probe_rows, rows_per_pass=2).whole
        for name, source in setup.sources.items()
    }
    chat, lines = tallies["chat"].mean, tallies["lines"].mean
    assert chat != lines
    with running(setup, tmp_path) as (run, records):
        assert probe(run).kind == "continue"
        assert run.probe == pytest.approx(0.25 * chat + 0.75 * lines, rel=1e-6)
        (event,) = records.probes()
        assert event.number("loss") == run.probe
        assert event.body["by_source"] == {
            name: {"loss": pytest.approx(tally.mean), "targets": tally.count, "bytes": tally.num_bytes}
            for name, tally in tallies.items()
        }


def test_a_source_that_is_not_trained_on_is_still_measured_and_never_counts_as_zero(tmp_path: Path) -> None:
    """Only the source without a share has a held-out part: its own loss is the run's."""
    sources = {
        "chat": {"path": "chat.jsonl", **HELD_OUT, "weight": 0.0},
        "lines": {"path": "lines.txt", "documents": "lines", "held_out": 0.0, "weight": 1.0},
    }
    setup = two_sources(tmp_path, sources=sources)
    expected = measure(setup.learner, setup.sources["chat"].probe_rows, rows_per_pass=2).whole.mean
    with running(setup, tmp_path) as (run, _):
        probe(run)
        assert run.probe == pytest.approx(expected, rel=1e-6)
        assert run.probe > 1


def test_a_run_without_anything_held_out_has_no_held_out_loss(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, chats=6, source={"held_out": 0.0})
    with running(setup, tmp_path) as (run, records):
        assert probe(run).reason == "no source has a held-out part"
        assert math.isnan(run.probe)
        assert records.probes() == []


def test_probes_samples_and_checkpoints_come_at_their_steps(tmp_path: Path) -> None:
    setup = small_setup(
        tmp_path,
        run={"steps": 7},
        probes={"every": 3},
        samples={"every": 2, "tokens": 3, "panel": 1},
        checkpoints={"every": 5},
    )
    with running(setup, tmp_path) as (run, records):
        outcome = fit(run)
        assert steps_of(records, "probe") == [0, 3, 6, 7]
        assert steps_of(records, "sample") == [2, 4, 6, 7]
        assert steps_of(records, "checkpoint") == [5, 7]
        assert steps_of(records, "verdict") == [0, 2, 3, 4, 6, 6, 7, 7]
        assert records.steps()["step"].tolist() == [1, 2, 3, 4, 5, 6, 7]
        (end,) = records.events("end")
        assert (end.step, end.text("state")) == (7, "finished")
        assert (outcome.step, outcome.interrupted, outcome.verdict.kind) == (7, False, "continue")
        assert outcome.probe == records.probes()[-1].number("loss")


def test_the_learning_rate_of_every_step_is_the_schedules(tmp_path: Path) -> None:
    table = {"schedule": "linear", "warmup": 2, "learning_rate": 0.01, "end": 0.5}
    setup = small_setup(tmp_path, run={"steps": 4}, train=table)
    with running(setup, tmp_path) as (run, records):
        fit(run)
        assert records.steps()["learning_rate"].tolist() == pytest.approx([0.005, 0.01, 0.0075, 0.005])


@pytest.mark.parametrize(
    ("action", "steps", "state"), [("halt", [1], "halted"), ("note", [1, 2, 3], "finished")]
)
def test_weights_that_are_not_numbers_stop_the_run_unless_it_is_told_to_note(
    action: str, steps: list[int], state: str, tmp_path: Path
) -> None:
    setup = small_setup(tmp_path, run={"steps": 3}, gate={"action": action})
    with torch.no_grad():
        next(setup.learner.model.parameters()).view(-1)[:] = math.nan
    with running(setup, tmp_path) as (run, records):
        outcome = fit(run)
        assert records.steps()["step"].tolist() == steps
        losses = [event.step for event in records.events("finding") if event.text("id") == "non-finite"]
        assert losses == steps
        assert steps_of(records, "checkpoint") == []
        assert [event.text("state") for event in records.events("end")] == [state]
        if action == "halt":
            assert (outcome.verdict.kind, outcome.verdict.rule) == ("halt", "non-finite")
            assert [event.text("action") for event in records.events("action")] == ["halt"]


def test_weights_are_finite_before_they_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound loss and gradient at step 1, and an update that overflows: nothing of it is saved."""
    setup = small_setup(tmp_path, run={"steps": 3}, checkpoints={"every": 1}, probes={"every": 9})
    whole_move = Mover.move

    def overflowing(mover: Mover, factor: float) -> float:
        norm = whole_move(mover, factor)
        with torch.no_grad():
            setup.learner.model.get_output_embeddings().weight[0, 0] = math.inf
        return norm

    monkeypatch.setattr(Mover, "move", overflowing)
    with running(setup, tmp_path) as (run, records):
        outcome = fit(run)
        assert (outcome.step, outcome.verdict.rule) == (1, "non-finite-weights")
        assert "hold nan or inf after step 1 and must not be saved" in outcome.verdict.reason
        assert records.checkpoints() == []


def test_an_interrupted_run_with_broken_weights_is_not_saved(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, run={"steps": 5}, gate={"action": "note"}, samples={"every": 4})
    with torch.no_grad():
        next(setup.learner.model.parameters()).view(-1)[:] = math.nan
    with running(setup, tmp_path) as (run, records):
        run.watch.interrupted = True
        assert fit(run).interrupted
        assert records.checkpoints() == []


def test_targets_that_are_lost_on_the_way_to_the_model_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are drawn with one target fewer than their examples have."""
    setup = small_setup(tmp_path, run={"steps": 3})
    whole_draw = Setup.draw_rows

    def spoiled(self: Setup) -> list[Pack]:
        rows = whole_draw(self)
        targets = rows[0].targets.copy()
        targets[np.flatnonzero(targets != NO_TARGET)[0]] = NO_TARGET
        return [replace(rows[0], targets=targets), *rows[1:]]

    monkeypatch.setattr(Setup, "draw_rows", spoiled)
    with running(setup, tmp_path) as (run, records):
        outcome = fit(run)
        assert (outcome.step, outcome.verdict.rule) == (1, "target-count")
        (finding,) = records.events("finding")
        evidence = finding.body["evidence"]
        assert isinstance(evidence, dict)
        assert evidence["targets"] == evidence["expected"] - 1


def test_a_step_that_computes_another_loss_than_was_measured_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step's own pass sees a model whose output layer was changed after the measurement."""
    setup = small_setup(tmp_path, run={"steps": 3})
    monkeypatch.setattr("twosignal.train.step.measure", lambda *_, **__: known_loss(5.0))
    with running(setup, tmp_path) as (run, _):
        outcome = fit(run)
        assert (outcome.step, outcome.verdict.rule) == (1, "first-loss")
        assert "5.0000 was predicted" in outcome.verdict.reason


def known_loss(mean: float) -> TokenLoss:
    return TokenLoss(by_source={"chat": Tally(total=mean * 4, count=4)})


def test_the_first_steps_loss_is_measured_before_it(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, run={"steps": 1})
    figures = take_step(setup, setup.mover(), step=1, factor=1.0, predicts=True)
    assert figures.predicted == pytest.approx(figures.loss.whole.mean, rel=1e-6)
    assert carried_targets(setup.sources, figures.packs) == figures.loss.whole.count > 0
    assert take_step(setup, setup.mover(), step=2, factor=1.0).predicted is None


def test_the_gate_stops_the_run_at_a_sampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last checkpoint is the last healthy one: the step that is stopped at is not saved."""
    setup = small_setup(tmp_path, run={"steps": 9}, checkpoints={"every": 1})

    def verdict(_: Gate, step: int, __: object) -> Verdict:
        return Verdict(kind="halt" if step == 4 else "continue", reason="loops", step=step, rule="loop")

    monkeypatch.setattr(Gate, "observe_samples", verdict)
    with running(setup, tmp_path) as (run, records):
        outcome = fit(run)
        assert (outcome.step, outcome.verdict.kind) == (4, "halt")
        assert steps_of(records, "checkpoint") == [1, 2, 3]
        assert steps_of(records, "end") == [4]


def test_an_interrupted_run_is_saved_after_the_step_and_has_no_end(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, run={"steps": 5}, samples={"every": 4, "tokens": 2, "panel": 1})
    with running(setup, tmp_path) as (run, records):
        run.watch.interrupted = True
        outcome = fit(run)
        assert (outcome.step, outcome.interrupted) == (1, True)
        assert [path.name for path in records.checkpoints()] == ["step-00000001"]
        assert steps_of(records, "end") == steps_of(records, "checkpoint") == []


def test_an_interruption_in_the_last_step_lets_the_run_finish(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, run={"steps": 1})
    with running(setup, tmp_path) as (run, records):
        run.watch.interrupted = True
        assert not fit(run).interrupted
        assert steps_of(records, "end") == [1]


def test_the_best_checkpoint_is_that_of_the_lowest_held_out_loss(tmp_path: Path) -> None:
    setup = small_setup(tmp_path)
    best = []
    with running(setup, tmp_path) as (run, _):
        for step, loss in enumerate([3.0, 2.0, math.nan, 2.5, 2.0, 1.5], 1):
            run.step, run.probe = step, loss
            save(run)
            best.append(run.best)
    assert best == [f"step-{step:08d}" for step in (1, 2, 2, 2, 2, 6)]


def test_what_a_run_knows_goes_through_json_and_back(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, chats=10, run={"steps": 6})
    with running(setup, tmp_path) as (run, _):
        fit(run)
        state = json.loads(json.dumps(run.state()))
    other = tmp_path / "other"
    other.mkdir()
    again = small_setup(other, chats=10, run={"steps": 6})
    with running(again, other) as (fresh, _):
        fresh.restore(state)
        assert fresh.state() == run.state()
        assert (fresh.step, fresh.probe, fresh.best) == (6, run.probe, run.best)
    rows = [[list(row.ids) for row in one.draw_rows()] for one in (setup, again)]
    assert rows[0] == rows[1]


def test_rows_of_a_step_are_trained_on_once_in_an_epoch(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, run={"epochs": 1}, rows={"tokens": 64, "per_step": 1})
    before = weights_of(setup.learner.model)
    with running(setup, tmp_path) as (run, records):
        fit(run)
        ledger = setup.sources["chat"].ledger
        assert len(records.steps()) == ledger.rows
        assert records.steps()["targets"].sum() == ledger.targets_kept
        assert records.steps()["tokens"].sum() == ledger.tokens
    assert any(not torch.equal(p, before[n]) for n, p in setup.learner.model.named_parameters())
