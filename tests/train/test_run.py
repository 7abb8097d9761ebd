"""A whole run in small: started, found again, gone on with, and its prompts."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.train.small import config, small_setup, weights_of, write_chats
from twosignal.audits.finding import Verdict
from twosignal.errors import RunError, StorageError
from twosignal.prove.proof import prove
from twosignal.records.reader import Run
from twosignal.train import run as run_module
from twosignal.train.loop import Outcome
from twosignal.train.recorder import Recorder
from twosignal.train.run import Proved, Result, newest_run_of, panel_of, resume, run_config, start
from twosignal.train.setup import Setup
from twosignal.train.watch import Watch


def quiet_console() -> Console:
    return Console(file=io.StringIO(), width=200)


def proof_of(setup: Setup) -> Proved:
    receipt = prove(setup)
    return Proved(receipt=receipt.as_dict(clock=False), seconds=receipt.seconds)


def begin(folder: Path, setup: Setup) -> Result:
    return start(setup, proof_of(setup), folder=folder, runs_dir=folder / "runs", console=quiet_console())


def go_on(setup: Setup, run: Run) -> Result:
    return resume(setup, run, proof_of(setup), console=quiet_console())


def runs(folder: Path) -> list[Path]:
    return [path for path in sorted((folder / "runs").iterdir()) if not path.name.startswith(".")]


def test_a_run_is_proved_trained_and_recorded(tmp_path: Path) -> None:
    setup = small_setup(tmp_path)
    result = begin(tmp_path, setup)
    assert result.exit_code == 0
    assert (result.outcome.step, result.run.state, result.run.last_step) == (4, "finished", 4)
    (path,) = runs(tmp_path)
    assert result.run.path == path.resolve()
    assert result.tokens_per_second == pytest.approx(
        float(result.run.steps()["tokens"].sum()) / result.seconds, rel=1e-3
    )
    assert result.targets_per_second < result.tokens_per_second
    first = next(result.run.events("start")).body
    assert first == {
        "model": "tiny",
        "vocab": 265,
        "steps": 4,
        "sources": ["chat"],
        "parameters": setup.num_parameters,
        "context": 64,
        "row_tokens": 64,
        "rows_per_step": 2,
        "random_chance": setup.random_chance,
        "unigram_loss": setup.unigram_loss,
        "policy": "proportional",
        "target": {"chat": 1.0},
        "peak_learning_rate": 1e-3,
        "shares": {"chat": 1.0},
        "inputs": {"chat": setup.sources["chat"].fingerprint},
        "tokenizer": setup.tokenizer.fingerprint(),
        "config": first["config"],
        "device": "cpu",
        "precision": "float32",
    }
    receipt = json.loads((path / "receipt.json").read_text())
    assert receipt["passed"] is True
    assert receipt["seconds"] > 0
    assert len(result.run.checkpoints()) == 2


@pytest.mark.parametrize(
    ("interrupted", "kind", "state", "code"),
    [
        (False, "continue", "finished", 0),
        (False, "halt", "halted", 3),
        (False, "halt", "finished", 0),
        (True, "continue", "interrupted", 130),
        (True, "halt", "interrupted", 130),
    ],
)
def test_exit_codes(
    interrupted: bool, kind: Any, state: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was told to note a halt and went on to its end is done."""
    monkeypatch.setattr(Run, "state", property(lambda _: state))
    outcome = Outcome(step=1, probe=1.0, verdict=Verdict(kind=kind, reason=""), interrupted=interrupted)
    result = Result(
        run=Run(path=Path()), outcome=outcome, tokens_per_second=1, targets_per_second=1, seconds=1
    )
    assert result.exit_code == code


def test_the_resolved_run_file_is_the_config_with_everything_settled(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, run={"epochs": 0.5}, rows={"tokens": None})
    result = begin(tmp_path, setup)
    again, folder = run_config(result.run)
    assert folder == tmp_path.resolve()
    assert (again.run.steps, again.run.epochs) == (setup.steps, None)
    assert again.rows.tokens == setup.row_tokens
    assert again.model_copy(update={"run": None, "rows": None}) == setup.config.model_copy(
        update={"run": None, "rows": None}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[run]\nname = "x"\n', "was not written by this version of twosignal"),
        ('[run]\nname = "x"\nsteps = "many"\n[resolved]\nfolder = "."\n', "was not written by this version"),
        ("[run\n", "cannot be read"),
    ],
)
def test_a_run_file_of_another_version_is_a_sentence(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(RunError, match=message):
        run_config(Run(path=tmp_path))


def test_the_newest_run_of_the_same_configuration_is_found(tmp_path: Path) -> None:
    assert newest_run_of(config(), tmp_path / "runs") is None
    setup = small_setup(tmp_path, run={"steps": 1})
    made = [begin(tmp_path, setup).run for _ in range(2)]
    os.utime(made[1].path, (1, 1))
    damaged = tmp_path / "runs" / "small-00000000-000000-abcdef"
    damaged.mkdir()
    (damaged / "run.toml").write_text("[run")
    found = newest_run_of(setup.config, tmp_path / "runs")
    assert found is not None
    assert found.path == made[0].path
    assert newest_run_of(config(run={"steps": 2}), tmp_path / "runs") is None
    assert newest_run_of(config(run={"steps": 1, "seed": 1}), tmp_path / "runs") is None


def interrupted_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C in this step."""
    seen = Watch.step

    def watched(watch: Watch, figures: Any, smoothed: Any) -> None:
        seen(watch, figures, smoothed)
        watch.interrupted = figures.step == step

    monkeypatch.setattr(Watch, "step", watched)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("step", [2, 3], ids=["at a checkpoint", "between two"])
def test_an_interrupted_run_ends_on_the_same_bits(
    step: int, optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"run": {"steps": 5}, "train": {"optimizer": optimizer}}
    setup = small_setup(tmp_path, **options)
    whole = begin(tmp_path, setup)
    expected = weights_of(setup.learner.model)
    with monkeypatch.context() as patch:
        interrupted_after(step, patch)
        broken = begin(tmp_path, small_setup(tmp_path, **options))
    assert (broken.exit_code, broken.run.state) == (130, "interrupted")
    setup = small_setup(tmp_path, **options)
    done = go_on(setup, broken.run)
    assert done.exit_code == 0
    assert done.run.fingerprint == whole.run.fingerprint
    assert np.array_equal(done.run.steps(), whole.run.steps())
    assert all(torch.equal(weight, expected[n]) for n, weight in weights_of(setup.learner.model).items())
    for name in ("loss.json", "samples.json"):
        public = [(run.path / name).read_text().replace(run.id, "") for run in (done.run, whole.run)]
        assert public[0] == public[1]


def test_a_run_killed_between_its_last_checkpoint_and_its_end_ends_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = begin(tmp_path, small_setup(tmp_path))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Recorder, "end", killed)
        begin(tmp_path, small_setup(tmp_path))
    (broken,) = [path for path in runs(tmp_path) if path != whole.run.path]
    done = go_on(small_setup(tmp_path), Run(path=broken))
    assert done.run.fingerprint == whole.run.fingerprint
    assert done.outcome.verdict == whole.outcome.verdict


def test_a_run_killed_before_its_first_checkpoint_starts_over_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = begin(tmp_path, small_setup(tmp_path))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Recorder, "checkpoint", killed)
        begin(tmp_path, small_setup(tmp_path))
    (broken,) = [path for path in runs(tmp_path) if path != whole.run.path]
    done = go_on(small_setup(tmp_path), Run(path=broken))
    assert done.run.path == broken.resolve()
    assert done.run.fingerprint == whole.run.fingerprint


def test_changed_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupted_after(2, patch)
        broken = begin(tmp_path, small_setup(tmp_path))
    with pytest.raises(RunError, match="the data of chat is not what the run was started with"):
        go_on(small_setup(tmp_path, chats=25), broken.run)


def test_a_run_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageError("cannot write: No space left on device")

    monkeypatch.setattr(Recorder, "checkpoint", full)
    with pytest.raises(StorageError):
        begin(tmp_path, small_setup(tmp_path))
    (path,) = runs(tmp_path)
    assert Run(path=path).state == "failed"
    assert list(Run(path=path).events("end")) == []


def test_a_panel_is_drawn_from_what_is_held_out(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, source={"held_out": 0.5, "held_out_at": "end"}, samples={"panel": 3})
    panel = panel_of(setup)
    assert [prompt.source for prompt in panel] == ["chat"] * 3
    assert panel[0].text == "what is 12?"


def test_the_users_own_prompts_come_first(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, samples={"prompts": ["how are you?", "who?"]})
    panel = panel_of(setup)
    assert [(prompt.text, prompt.source) for prompt in panel] == [
        ("how are you?", "prompts"),
        ("who?", "prompts"),
    ]
    assert setup.tokenizer.decode(panel[0].ids, skip_special=False).endswith("<|end|><|assistant|>")


def test_documents_are_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("one line\nanother line\n")
    source = {"chat": {"path": "lines.txt", "documents": "lines", "held_out": 0.0}}
    setup = small_setup(tmp_path, sources=source, samples={"prompts": ["one"]})
    (prompt,) = panel_of(setup)
    assert setup.tokenizer.decode(prompt.ids, skip_special=False) == "<|bos|>one"


def test_without_prompts_or_held_out_parts_the_model_gets_an_empty_line(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, chats=4, source={"held_out": 0.0})
    (prompt,) = panel_of(setup)
    assert setup.tokenizer.decode(prompt.ids) == "\n"


def test_prompts_longer_than_half_the_context_are_passed_over(tmp_path: Path) -> None:
    write_chats(tmp_path / "long.jsonl", *[[("user", "x" * n), ("assistant", "y")] for n in (1, 1, 40, 20)])
    source = {"chat": {"path": "long.jsonl", "held_out": 0.6, "held_out_at": "end"}}
    setup = small_setup(tmp_path, sources=source)
    assert [prompt.text for prompt in panel_of(setup)] == ["x", "x" * 20]


def test_no_run_folder_is_left_when_nothing_could_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageError("cannot write: No space left on device")

    monkeypatch.setattr(run_module, "write_json_atomic", full)
    with pytest.raises(StorageError):
        begin(tmp_path, small_setup(tmp_path))
    assert runs(tmp_path) == []
