"""A run that rots goes back, lowers its learning rate and goes on; whatever kills it meanwhile changes nothing."""

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from tests.train.small import small_setup
from tests.train.test_loop import running, two_sources
from twosignal.audits.finding import Finding, Verdict
from twosignal.audits.monitors import Seen, non_finite
from twosignal.audits.recent import RecentText, RecentTexts
from twosignal.records.reader import Run
from twosignal.records.writer import RunWriter
from twosignal.train import actions
from twosignal.train.actions import go_on_after, mix_again
from twosignal.train.loop import fit, look_at_loss
from twosignal.train.optimizer import Mover
from twosignal.train.recorder import Recorder
from twosignal.train.remix import plan_remix
from twosignal.train.run import Proved, Result, resume, start
from twosignal.train.setup import Setup
from twosignal.train.spent import Spent

PROVED = Proved(receipt={"passed": True, "checks": []}, seconds=0.0)
STEPS = 16


class KilledError(BaseException):
    """What stands for a kill: nobody catches it."""


def rotting(folder: Path, **gate: Any) -> Setup:
    """A run whose learning rate climbs to three thousand times the default: it learns, and is lost by step 14."""
    return small_setup(
        folder,
        source={"held_out": 0.3},
        run={"steps": STEPS},
        train={"learning_rate": 2.0, "warmup": STEPS, "clip": 0, "schedule": "linear"},
        gate={"action": "roll-back", "rate": 0.01, **gate},
        samples={"every": 2, "tokens": 4, "panel": 1},
        probes={"every": 2},
    )


def begin(folder: Path, **gate: Any) -> tuple[Result, str]:
    shown = io.StringIO()
    result = start(
        rotting(folder, **gate),
        PROVED,
        folder=folder,
        runs_dir=folder / "runs",
        console=Console(file=shown, width=400),
    )
    return result, shown.getvalue()


def everything(run: Run) -> dict[str, Any]:
    """Return what must not depend on how often a run was killed."""
    last = run.checkpoints()[-1]
    state = json.loads((last / "state.json").read_text())
    del state["steering"]["curriculum"]["origin"]  # the run's own id
    return {
        "fingerprint": run.fingerprint,
        "attempts": run.attempts(),
        "learning": (run.path / "steps/learning.bin").read_bytes(),
        "checkpoints": [path.name for path in run.checkpoints()],
        "weights": (last / "model.safetensors").read_bytes(),
        "optimizer": (last / "optimizer.safetensors").read_bytes(),
        "state": json.dumps(state),
        "leftovers": [path.name for path in (run.path / "checkpoints").glob(".*")],
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, str]:
    """The run that rots and recovers, undisturbed."""
    return begin(tmp_path_factory.mktemp("whole"))


def test_a_run_that_rots_goes_back_and_recovers(whole: tuple[Result, str]) -> None:
    result, shown = whole
    run = result.run
    assert (result.exit_code, run.state, result.outcome.verdict.kind) == (0, "finished", "continue")
    (action,) = run.events("action")
    body = action.body
    assert (body["action"], body["rule"], body["budget_left"]) == ("roll-back", "soup", 1)
    here, there = int(action.number("from_step")), int(action.number("to_step"))
    assert there < here <= STEPS
    assert action.step == there
    assert (body["rate"], body["learning_rate"]) == (0.01, pytest.approx(0.02))
    assert body["skipped_rows"] == 2 * (here - there)
    assert f"rolled back from step {here} to step {there}, learning rate times 0.01" in shown
    (fork,) = run.attempts()
    assert (fork.parent, fork.step) == (0, there + 1)
    everywhere = run.steps(live=False)
    assert everywhere["step"].tolist() == [*range(1, here + 1), *range(there + 1, STEPS + 1)]
    rates = run.steps()["learning_rate"]
    assert rates[there - 1] == pytest.approx(2.0 * there / STEPS)
    assert rates[there] == pytest.approx(0.01 * 2.0 * (there + 1) / STEPS)
    probes = [event.number("loss") for event in run.probes()]
    assert probes[-1] < probes[0] < max(event.number("loss") for event in run.events("probe", live=False))
    assert run.checkpoints()[-1].name == f"step-{STEPS:08d}-r1"
    assert run.verify_chain() is None


def test_the_rows_that_led_there_are_skipped(whole: tuple[Result, str], tmp_path: Path) -> None:
    """Without a roll back the same number of rows would have been drawn."""
    run = whole[0].run
    here = int(next(run.events("action")).number("from_step"))
    there = int(next(run.events("action")).number("to_step"))
    drawn = 2 * (STEPS + here - there)
    fresh = rotting(tmp_path)
    for _ in range(drawn // 2):
        fresh.draw_rows()
    state = (run.checkpoints()[-1] / "state.json").read_text()
    cursor = fresh.sources["chat"].stream.cursor
    assert f'"epoch": {cursor["epoch"]},\n   "row": {cursor["row"]}' in state


def after(owner: Any, name: str, *, times: int = 1) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what lets a process die when a function has returned for the n-th time."""

    def arm(patch: pytest.MonkeyPatch) -> None:
        call, left = getattr(owner, name), [times]

        def dying(*given: Any, **named: Any) -> Any:
            result = call(*given, **named)
            left[0] -= 1
            if not left[0]:
                raise KilledError
            return result

        patch.setattr(owner, name, dying)

    return arm


def killed_and_resumed(folder: Path, arm: Callable[[pytest.MonkeyPatch], None]) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        arm(patch)
        with pytest.raises(KilledError):
            begin(folder)
    (path,) = (path for path in (folder / "runs").iterdir() if not path.name.startswith("."))
    run = Run(path=path)
    assert run.verify_chain() is None
    return resume(rotting(folder), run, PROVED, console=Console(file=io.StringIO())).run


def dying_after_saving(patch: pytest.MonkeyPatch) -> None:
    """Die between the checkpoint of a roll back and its first word in the records."""

    def dying(*_: Any, **__: Any) -> None:
        raise KilledError

    patch.setattr(Recorder, "resume", dying)


def dying_after_a_step(patch: pytest.MonkeyPatch) -> None:
    """Die when the first step of the new way is recorded."""
    record = Recorder.step

    def dying(recorder: Recorder, figures: Any) -> None:
        record(recorder, figures)
        if recorder.writer.attempt:
            raise KilledError

    patch.setattr(Recorder, "step", dying)


def test_a_run_killed_in_a_roll_back_ends_as_if_nothing_had_happened(
    whole: tuple[Result, str], tmp_path: Path
) -> None:
    assert everything(killed_and_resumed(tmp_path, dying_after_saving)) == everything(whole[0].run)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arm",
    [
        after(actions, "restore_checkpoint"),
        after(RunWriter, "rewind"),
        after(Recorder, "resume"),
        after(Recorder, "branch"),
        dying_after_a_step,
    ],
    ids=["not saved yet", "records left", "action told", "gone back", "one step on"],
)
def test_a_run_killed_at_any_moment_of_a_roll_back_ends_as_if_nothing_had_happened(
    arm: Callable[[pytest.MonkeyPatch], None], whole: tuple[Result, str], tmp_path: Path
) -> None:
    assert everything(killed_and_resumed(tmp_path, arm)) == everything(whole[0].run)


def test_when_the_budget_is_spent_the_run_halts_and_says_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step 3 always comes to the same end, so the second time the run goes back further."""

    def check(seen: Seen, _: object) -> tuple[Finding, ...]:
        return (non_finite(seen),) if seen.step == 3 else ()

    monkeypatch.setattr("twosignal.train.loop.check_step", check)
    setup = small_setup(tmp_path, gate={"action": "roll-back"}, samples={"every": 1, "tokens": 2, "panel": 1})
    with running(setup, tmp_path) as (run, records):
        outcome = fit(run)
        *backs, halt = records.events("action", live=False)
        assert [(one.number("from_step"), one.number("to_step")) for one in backs] == [(3, 2), (3, 1)]
        assert [one.body["budget_left"] for one in (*backs, halt)] == [1, 0, 0]
        assert [one.attempt for one in (*backs, halt)] == [1, 2, 2]
        assert [one.body["earlier"] for one in backs] == [[], [2]]
        assert (outcome.step, outcome.verdict.kind, run.spent.rate) == (3, "halt", 0.25)
        assert outcome.verdict.reason.endswith(
            "; not rolled back again: going back to step 2 at 0.5 times the learning rate, "
            "then to step 1 at 0.25 times the learning rate did not help"
        )
        assert [path.name for path in records.checkpoints()] == [
            "step-00000001",
            "step-00000001-r2",
            "step-00000002-r2",
        ]


def test_without_a_sound_checkpoint_the_run_halts_and_says_so(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, run={"steps": 3}, gate={"action": "roll-back"})
    with torch.no_grad():
        next(setup.learner.model.parameters()).view(-1)[:] = math.nan
    with running(setup, tmp_path) as (run, records):
        outcome = fit(run)
        assert (outcome.step, outcome.verdict.rule) == (1, "non-finite")
        assert outcome.verdict.reason.endswith(
            "; not rolled back: no checkpoint was saved whose samples were sound"
        )
        assert [event.body["action"] for event in records.events("action")] == ["halt"]


def test_weights_that_overflow_once_are_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = small_setup(
        tmp_path,
        run={"steps": 4},
        gate={"action": "roll-back"},
        samples={"every": 1, "tokens": 2, "panel": 1},
    )
    whole_move, moves = Mover.move, [0]

    def overflowing(mover: Mover, factor: float) -> float:
        norm = whole_move(mover, factor)
        moves[0] += 1
        if moves[0] == 3:
            with torch.no_grad():
                setup.learner.model.get_output_embeddings().weight[0, 0] = math.inf
        return norm

    monkeypatch.setattr(Mover, "move", overflowing)
    with running(setup, tmp_path) as (run, records):
        outcome = fit(run)
        (action,) = records.events("action")
        assert (action.number("from_step"), action.number("to_step")) == (3, 2)
        assert (outcome.step, outcome.verdict.kind) == (4, "continue")
        assert all(torch.isfinite(p).all() for p in setup.learner.model.parameters())


def test_wrong_targets_are_never_rolled_back(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, gate={"action": "roll-back"})
    with running(setup, tmp_path) as (run, _):
        fit(run)
        wrong = Verdict(kind="halt", reason="wrong targets", step=4, rule="target-count")
        assert not go_on_after(run, wrong)
        assert run.verdict.reason == (
            "wrong targets; not rolled back: it is the targets, and no learning rate mends them"
        )
        assert records_of(run) == []


def records_of(run: Any) -> list[Any]:
    return list(Run(path=run.recorder.folder).events("action"))


def text(step: int, source: str, *, stands_in: str = "", verdict: str = "memorized") -> RecentText:
    copied = (
        {"verdict": verdict, "longest_tokens": 60, "matches": [{"source": stands_in}]} if stands_in else None
    )
    return RecentText(
        step=step, source=source, is_degenerate=False, loss=1.0, opening="some text", copied=copied
    )


def test_a_source_that_is_copied_from_is_capped_by_itself_once_per_finding(tmp_path: Path) -> None:
    setup = two_sources(tmp_path, gate={"remixes": 1})
    assert setup.curriculum.shares == pytest.approx({"chat": 0.25, "lines": 0.75})
    copies = (text(2, "chat", stands_in="lines"), text(2, "lines", stands_in="lines"), text(2, "chat"))
    with running(setup, tmp_path) as (run, records):
        run.step, run.recent = 2, RecentTexts(texts=copies)
        mix_again(run)
        assert setup.curriculum.shares == pytest.approx({"chat": 0.625, "lines": 0.375})
        (action,) = records.events("action")
        assert (action.body["action"], action.body["budget_left"]) == ("re-mix", 0)
        assert action.text("reason") == (
            "2 of 2 looping or copied texts since step 2 stand in lines; lines now gives at most 37.5% of the rows "
            "instead of 75.0%"
        )
        (switch,) = records.events("switch")
        assert switch.body["shares"] == pytest.approx({"chat": 0.625, "lines": 0.375})
        assert [one.step for one in run.recent.texts] == [2], "the copies have been dealt with"
        run.recent = RecentTexts(texts=copies)
        mix_again(run)
        assert len(list(records.events("action"))) == 1, "the budget is spent"
        state = run.state()
        assert Spent.restore(state["spent"]) == Spent(remixes=1, caps={"lines": 0.375})


@pytest.mark.parametrize(
    ("remixes", "floor", "texts", "share"),
    [
        (1, 0.0, [("lines", "lines")] * 2, 0.375),
        (0, 0.0, [("lines", "lines")] * 2, None),
        (1, 0.5, [("lines", "lines")] * 2, 0.5),
        (1, 0.75, [("lines", "lines")] * 2, None),
        (1, 0.0, [("lines", "lines")], None),
        (1, 0.0, [("lines", "lines"), ("chat", "chat")], None),
        (1, 0.0, [("lines", "gone"), ("chat", "gone")], None),
    ],
    ids=["capped", "no budget", "floor holds", "at its floor", "one text", "no majority", "unknown source"],
)
def test_what_a_remix_needs(
    remixes: int, floor: float, texts: list[tuple[str, str]], share: float | None, tmp_path: Path
) -> None:
    held = {"held_out": 0.3, "held_out_at": "end"}
    sources = {
        "chat": {"path": "chat.jsonl", **held, "weight": 1.0},
        "lines": {"path": "lines.txt", "documents": "lines", **held, "weight": 3.0, "floor": floor},
    }
    setup = two_sources(tmp_path, gate={"remixes": remixes}, sources=sources)
    recent = RecentTexts(texts=tuple(text(1, prompt, stands_in=place) for prompt, place in texts))
    plan = plan_remix(setup, Spent(), recent)
    assert (plan.share if plan else None) == (None if share is None else pytest.approx(share))


def test_a_loss_worse_than_guessing_halts_only_with_degenerate_texts(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, run={"steps": 40}, samples={"every": 20}, probes={"every": 20})
    with running(setup, tmp_path) as (run, records):
        fit(run)
        run.news = run.news.__class__()
        rows = run.recorder.curve(40)
        high = rows._replace(losses=rows.losses + 20.0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Recorder, "curve", lambda *_: high)
            assert look_at_loss(run).kind == "continue"
            assert "above-chance" in [event.body["id"] for event in records.events("finding")]
            run.news = run.news.__class__()
            bad = RecentText(step=40, source="chat", is_degenerate=True, loss=1.0, opening="", copied=None)
            run.recent = RecentTexts(texts=(bad,))
            verdict = look_at_loss(run)
        assert (verdict.kind, verdict.rule) == ("halt", "above-chance")
        assert verdict.reason.endswith("; most texts are degenerate too")
