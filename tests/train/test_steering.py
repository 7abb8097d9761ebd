"""The curriculum in a run: what it is told, what it does to the rows, what is recorded, and how it goes on after a stop."""

import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.train.small import config, small_setup
from twosignal.errors import ConfigError, RunError
from twosignal.records.reader import Run
from twosignal.records.requests import put_request, refusal_of
from twosignal.train.agreement import check_config
from twosignal.train.recorder import Recorder
from twosignal.train.run import Proved, Result, resume, start
from twosignal.train.setup import Setup
from twosignal.train.step import StepFigures

OTHERS = ("proportional", "uniform", "fixed", "classic", "odm", "aioli")
PROVED = Proved(receipt={"passed": True, "checks": []}, seconds=1.0)
STEPS = 24
HELD_OUT = {"held_out": 0.3, "held_out_at": "end"}


def three_sources(folder: Path, **tables: Any) -> Setup:
    """Chats, lines of text and a list, each with a held-out part."""
    folder.mkdir(exist_ok=True)
    (folder / "lines.txt").write_text("".join(f"line number {n} of {n % 7} texts\n" for n in range(40)))
    (folder / "list.txt").write_text("".join(f"item {n}\n" for n in range(30)))
    sources = {
        "chat": {"path": "chat.jsonl", **HELD_OUT, "weight": 1.0},
        "lines": {"path": "lines.txt", "documents": "lines", **HELD_OUT, "weight": 2.0},
        "list": {"path": "list.txt", "documents": "lines", **HELD_OUT},
    }
    for name, table in tables.pop("of_sources", {}).items():
        sources[name] |= table
    given: dict[str, Any] = {
        "run": {"steps": STEPS},
        "sources": sources,
        "samples": {"tokens": 2, "panel": 1, "every": 8},
        "probes": {"every": 8, "rows": 1},
        "train": {"precision": "float32", "device": "cpu", "compile": "off", "learning_rate": 0.01},
    }
    given["curriculum"] = {"probe_cost": 0.5, "probe_rows": 1, **tables.pop("curriculum", {})}
    return small_setup(folder, **{**given, **tables})


def trained(setup: Setup, folder: Path) -> Result:
    return start(setup, PROVED, folder=folder, runs_dir=folder / "runs", console=silent())


def gone_on(setup: Setup, run: Run) -> Result:
    return resume(setup, run, PROVED, console=silent())


def silent() -> Console:
    return Console(file=io.StringIO())


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Any) -> None:
    """Do something once, right after a step was recorded; `act` gets the run folder."""
    whole = Recorder.step
    left = [act]

    def followed(recorder: Recorder, figures: StepFigures) -> None:
        whole(recorder, figures)
        if figures.step == step and left:
            left.pop()(recorder.folder)

    monkeypatch.setattr(Recorder, "step", followed)


def die(_: Path) -> None:
    raise KeyboardInterrupt


def killed(setup: Setup, folder: Path, monkeypatch: pytest.MonkeyPatch, *, step: int) -> Run:
    """A run that ended in the middle of a step, with nothing saved since its last checkpoint."""
    at_step(monkeypatch, step, die)
    with pytest.raises(KeyboardInterrupt):
        trained(setup, folder)
    (path,) = (folder / "runs").glob("small-*")
    return Run(path=path)


def told(run: Run) -> dict[str, Any]:
    """Everything that a stop must not change, without clocks and the run's own id."""
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    for event in events:
        event.pop("clock", None)
    last = run.checkpoints()[-1]
    own = {"files", "records"}
    state = json.loads((last / "state.json").read_text().replace(run.id, "RUN"))
    return {
        "events": events,
        "steps": (run.path / "steps/learning.bin").read_bytes(),
        "state": {name: value for name, value in state.items() if name not in own},
        "weights": sha256((last / "model.safetensors").read_bytes()).hexdigest(),
        "mix": (run.path / "bandit.json").read_text().replace(run.id, "RUN"),
        "attempts": run.attempts(),
    }


@pytest.mark.parametrize(
    "policy", ["bandit", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_a_run_goes_on_bit_for_bit_with_every_policy(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in step 21, it goes on from the checkpoint of step 16, between the bandit's readings of steps 10 and 20."""
    table = {"policy": policy}
    whole = trained(three_sources(tmp_path / "a", curriculum=table), tmp_path / "a")
    run = killed(three_sources(tmp_path / "b", curriculum=table), tmp_path / "b", monkeypatch, step=21)
    result = gone_on(three_sources(tmp_path / "b", curriculum=table), run)
    assert result.outcome.step == STEPS
    expected, found = told(whole.run), told(run)
    for name in expected:
        assert found[name] == expected[name], name
    mix = json.loads((run.path / "bandit.json").read_text())
    assert (mix["policy"], mix["step"]) == (policy, STEPS)
    assert sum(arm["drawn"] for arm in mix["arms"].values()) == STEPS * 2


def switches(run: Run, cause: str) -> list[tuple[int, dict[str, Any]]]:
    return [(e.step, dict(e.body)) for e in run.events("switch") if e.body["cause"] == cause]


def rows_of(run: Run, name: str) -> list[int]:
    """Tokens drawn from a source in every step."""
    return [int(tokens) for tokens in run.steps()[f"tokens[{name}]"]]


def retire_the_list(folder: Path) -> None:
    assert put_request(folder, {"set": {"list": 0.0}, "cap": {"lines": 0.25}}) == 1


@pytest.mark.slow
def test_an_operators_request_is_followed_at_the_next_step_and_again_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for in step 13; killed in step 21, before any checkpoint knows of it but that of step 16."""
    at_step(monkeypatch, 13, retire_the_list)
    whole = trained(three_sources(tmp_path / "a"), tmp_path / "a").run
    (first, second) = switches(whole, "operator")
    assert first[0] == second[0] == 13
    assert first[1]["request"] == 1
    assert second[1]["settings"] == {"set": {"list": 0.0}, "cap": {"lines": 0.25}, "release": []}
    assert second[1]["shares"]["list"] == 0
    assert second[1]["shares"]["lines"] <= 0.25
    assert not any(rows_of(whole, "list")[13:])
    assert any(rows_of(whole, "list")[:13])

    for step, number in ((15, 1), (21, 2)):
        folder = tmp_path / f"b{number}"
        at_step(monkeypatch, 13, retire_the_list)
        run = killed(three_sources(folder), folder, monkeypatch, step=step)
        gone_on(three_sources(folder), run)
        expected, found = told(whole), told(run)
        for name in expected:
            assert found[name] == expected[name], name


def test_a_request_of_a_run_that_stands_still_is_followed_when_all_old_steps_are_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = killed(three_sources(tmp_path), tmp_path, monkeypatch, step=21)
    retire_the_list(run.path)
    gone_on(three_sources(tmp_path), run)
    assert [step for step, _ in switches(run, "operator")] == [21, 21]
    assert run.attempts() == []


def test_requests_that_are_none_are_refused_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {
        b"[1]": "the request cannot be read: the request is a list, not an object",
        b"{half": "the request cannot be read: ",
        b'{"set": {"list": "much"}}': "the request cannot be read: the request is none",
        b'{"set": {"lists": 0.0}}': "the run has no source lists. Did you mean list?",
        b'{"set": {"list": 1.5}}': "the share of list must be a number from 0 to 1",
        b"{}": "the request asks for nothing",
    }

    def ask(folder: Path) -> None:
        for body in refused:
            number = put_request(folder, {})
            (folder / "requests" / f"{number:06}.json").write_bytes(body)
        put_request(folder, {"cap": {"list": 0.1}})

    at_step(monkeypatch, 1, ask)
    run = trained(three_sources(tmp_path, run={"steps": 2}), tmp_path).run
    for number, sentence in enumerate(refused.values(), 1):
        assert sentence in (refusal_of(run.path, number) or "")
    ((step, body),) = switches(run, "operator")
    assert (run.state, step, body["request"]) == ("finished", 1, len(refused) + 1)


def test_a_phase_and_its_end_are_recorded_and_the_rate_is_warmed_up_anew(tmp_path: Path) -> None:
    """Twelve steps of chats alone; then two of three rows come from elsewhere, over four steps of a quarter more each."""
    table = {"policy": "uniform", "warmup": 12, "warmup_sources": ["chat"]}
    rate = {"schedule": "constant", "warmup": 0, "rewarm": 4, "learning_rate": 0.01}
    run = trained(three_sources(tmp_path, curriculum=table, train=rate), tmp_path).run
    drawn = [a + b for a, b in zip(rows_of(run, "lines"), rows_of(run, "list"), strict=True)]
    assert next(step for step, tokens in enumerate(drawn, 1) if tokens) == 13
    assert [step for step, body in switches(run, "phase")] == [0, 12]
    rates = run.steps()["learning_rate"][10:18].tolist()
    assert rates == pytest.approx([0.01, 0.01, 0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])
    (action,) = run.events("action")
    assert (action.step, action.text("action")) == (12, "restart-rate")
    assert action.text("reason").startswith("67% of the rows come from other sources now")


def test_a_run_may_go_on_with_another_mix_and_says_what_became_of_what_it_knew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"policy": "odm", "target": {"chat": 1.0}}
    run = killed(three_sources(tmp_path, curriculum=table), tmp_path, monkeypatch, step=21)
    kept = {**table, "on_resume": {"chat": "keep", "lines": "reset"}}
    floors = {"list": {"floor": 0.5}}
    gone_on(three_sources(tmp_path, curriculum=kept, of_sources=floors), run)
    ((step, body),) = switches(run, "resume")
    assert step == 16
    assert "chat keep, lines reset, list decay" in body["reason"]
    assert body["shares"]["list"] >= 0.5
    assert [fork.step for fork in run.attempts()] == [16]
    assert run.config["sources"]["list"]["floor"] == 0.5
    mix = json.loads((run.path / "bandit.json").read_text())
    assert sum(arm["drawn"] for arm in mix["arms"].values()) == STEPS * 2, "what was drawn still counts"


def test_a_run_does_not_go_on_to_be_judged_by_another_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = killed(three_sources(tmp_path), tmp_path, monkeypatch, step=10)
    other = three_sources(tmp_path, curriculum={"target": ["lines"]})
    with pytest.raises(
        RunError, match=r"the target of a run cannot change.*found lines 100%; expected chat 100%"
    ):
        gone_on(other, run)


def test_the_curriculum_of_another_run_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The zombie: state of another run, copied into this one's checkpoint."""
    run = killed(three_sources(tmp_path), tmp_path, monkeypatch, step=10)
    saved = run.checkpoints()[-1] / "state.json"
    saved.write_text(saved.read_text().replace(run.id, "small-20260101-000000-abcdef"))
    with pytest.raises(RunError) as error:
        gone_on(three_sources(tmp_path), run)
    assert "the saved curriculum does not belong to this run" in str(error.value)
    assert "in the state of run small-20260101-000000-abcdef" in str(error.value)


def test_the_policy_reads_other_held_out_rows_than_are_reported(tmp_path: Path) -> None:
    """Of twelve held-out lines in a row each, one is reported and the next three are the policy's."""
    setup = three_sources(tmp_path, rows={"tokens": 32}, curriculum={"target": ["lines"], "probe_rows": 3})
    (target,) = setup.targets
    reported = {segment.example for row in target.rows for segment in row.segments}
    own = {segment.example for row in target.policy_rows for segment in row.segments}
    assert (len(target.rows), len(target.policy_rows)) == (1, 3)
    assert reported
    assert not reported & own


def test_where_little_is_held_out_the_policy_reads_the_reported_rows(tmp_path: Path) -> None:
    setup = three_sources(tmp_path, probes={"rows": 0}, curriculum={"target": ["lines"], "probe_rows": 2})
    (target,) = setup.targets
    assert [row.ids.tolist() for row in target.policy_rows] == [row.ids.tolist() for row in target.rows[:2]]


def test_a_file_can_be_the_target(tmp_path: Path) -> None:
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "wanted.txt").write_text("line number 3 of 4 texts\n" * 20)
    setup = three_sources(tmp_path, curriculum={"target": ["chat", "wanted.txt"]}, run={"steps": 2})
    assert [(target.name, target.weight) for target in setup.targets] == [("chat", 0.5), ("wanted", 0.5)]
    assert "wanted" not in setup.sources
    run = trained(setup, tmp_path).run
    probe: dict[str, Any] = dict(run.probes()[-1].body)
    losses = {name: one["loss"] for name, one in probe["by_source"].items()}
    assert set(losses) == {"chat", "lines", "list", "wanted"}
    assert probe["loss"] == pytest.approx((losses["chat"] + losses["wanted"]) / 2)
    assert probe["target"] == {"chat": 0.5, "wanted": 0.5}
    shares = {name: source.ledger.rows for name, source in setup.sources.items()}
    whole = sum(shares.values())
    adjusted = sum(rows / whole * losses[name] for name, rows in shares.items())
    assert probe["mix_adjusted"] == pytest.approx(adjusted)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"target": ["chatt"]}, "there is no source chatt (found 'chatt'). Did you mean chat?"),
        (
            {"warmup": 5, "warmup_sources": ["line"]},
            "there is no source line (found 'line'). Did you mean lines?",
        ),
        ({"on_resume": {"lists": "keep"}}, "there is no source lists"),
        ({"warmup": 5}, "the warmup phase has steps and no sources"),
        ({"max_epochs": 0.5}, "the epoch cap would stop a source before all of it was read"),
    ],
)
def test_what_cannot_be_is_a_sentence(table: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        three_sources(tmp_path, curriculum=table)
    assert sentence in str(error.value)


def test_a_target_without_a_held_out_part_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the target lines has no held-out part to be measured on"):
        three_sources(tmp_path, of_sources={"lines": {"held_out": 0.0}}, curriculum={"target": ["lines"]})


def test_a_retired_source_is_never_drawn(tmp_path: Path) -> None:
    setup = three_sources(tmp_path, of_sources={"list": {"cap": 0.0}}, curriculum={"policy": "uniform"})
    drawn = {row.source for _ in range(20) for row in setup.draw_rows()}
    assert drawn == {"chat", "lines"}


def test_only_the_mix_may_change_when_a_run_goes_on(tmp_path: Path) -> None:
    started = config()
    (tmp_path / "run.toml").write_text('[resolved]\nconfig = "0123456789abcdef"\n')
    run = Run(path=tmp_path)
    other = config(
        source={"floor": 0.1, "cap": 0.9, "weight": 2.0}, curriculum={"policy": "odm", "warmup": 3}
    )
    check_config(other, run, started=started)
    with pytest.raises(RunError, match=r"started with another sources\.chat\.held_out"):
        check_config(config(source={"floor": 0.1, "held_out": 0.5}), run, started=started)
    with pytest.raises(RunError, match=r"started with another run\.steps \(found 9; expected 4\)"):
        check_config(config(curriculum={"policy": "odm"}, run={"steps": 9}), run, started=started)
    with pytest.raises(RunError, match=r"started with another train\.clip"):
        check_config(config(curriculum={"policy": "odm"}, train={"clip": 0.5}), run, started=started)
