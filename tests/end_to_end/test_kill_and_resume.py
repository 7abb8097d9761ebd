"""A run that is killed, interrupted or moved ends, bit for bit, as one that nothing disturbed."""

import json
import random
import shutil
import signal
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tests.end_to_end.conftest import Command
from tests.end_to_end.processes import STEP, Life, Stroke, start
from tests.end_to_end.toy import Toy, settings, the_run, visible, write_toy
from twosignal.records.reader import Run
from twosignal.tokens.pretrained import load_tokenizer

STEPS = 40


def told(path: Path) -> dict[str, object]:
    """Return everything that must not depend on how often a run was stopped: all but clocks and the run's id."""
    run = Run(path=path)
    lines = (path / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    clocks = [event.pop("clock", None) for event in events]
    assert sum(clock is None for clock in clocks) == 1, "only the first line has no clock"
    last = run.checkpoints()[-1]
    return {
        "last checkpoint": {
            file.name: sha256(file.read_bytes().replace(run.id.encode(), b"RUN")).hexdigest()
            for file in sorted(last.iterdir())
        },
        "checkpoints": [checkpoint.name for checkpoint in run.checkpoints()],
        "learning": (path / "steps/learning.bin").read_bytes(),
        "clock": run.clock()["step"].tolist(),
        "events": events,
        "fingerprint": run.fingerprint,
        "broken line": run.verify_chain(),
        "attempts": run.attempts(),
        "loss": json.loads((path / "loss.json").read_text()) | {"run": None},
        "samples": json.loads((path / "samples.json").read_text()),
        "mix": (path / "bandit.json").read_bytes().replace(run.id.encode(), b"RUN"),
        "state": run.state,
        "leftovers": [found.name for found in path.rglob(".*") if found.name != ".lock"],
    }


def after_step(step: int, *, number: int = signal.SIGKILL, delay: float = 0.0, times: int = 1) -> Stroke:
    """Return the blow that falls a little after a step was recorded."""
    return Stroke(number=number, call=STEP, step=step, delay=delay, times=times)


def while_saving(*, delay: float = 0.0) -> Stroke:
    """Return the blow that falls when the weights of a checkpoint are written and the rest is not."""
    return Stroke(call="twosignal.train.checkpoint.save_model", delay=delay)


def half_written(runs_dir: Path) -> list[Path]:
    """Return the checkpoints that have no name yet."""
    return list(runs_dir.glob("*/checkpoints/.step-*.partial"))


def trainer(
    run_file: Path, runs_dir: Path, *, stroke: Stroke | None = None, folder: Path | None = None
) -> Life:
    """Start training, or go on, in `folder`."""
    folder = folder or run_file.parent
    arguments: list[str | Path] = ["train", run_file, "--runs", runs_dir, "--resume", "auto", "--json"]
    return start(arguments, folder=folder, log=folder / "log", stroke=stroke)


def train_through(strokes: Sequence[Stroke], run_file: Path, runs_dir: Path) -> None:
    """Train, be killed by every stroke, and go on each time, to the end."""
    for stroke in strokes:
        ended = trainer(run_file, runs_dir, stroke=stroke).ended()
        assert ended.code == -signal.SIGKILL, ended
        for path in runs_dir.glob("toy-*"):
            assert Run(path=path).verify_chain() is None
    ended = trainer(run_file, runs_dir).ended()
    assert ended.code == 0, ended.err


def assert_equal(command: Command, path: Path, undisturbed: Path) -> None:
    """Compare everything, by our own means and by the command."""
    found, expected = told(path), told(undisturbed)
    for name in expected:
        assert found[name] == expected[name], name
    ended = command("compare", path, undisturbed, "--json")
    assert json.loads(ended.out) == {"equal": True, "first_difference": None}


@pytest.mark.slow
def test_a_run_killed_three_times_ends_as_if_nothing_had_happened(
    run_file: Path, toy: Toy, command: Command
) -> None:
    runs_dir = run_file.parent / "runs"
    life = trainer(Path(run_file.name), Path("runs"), stroke=after_step(4), folder=run_file.parent)
    assert life.ended().code == -signal.SIGKILL
    path = the_run(runs_dir)
    assert (Run(path=path).last_step, Run(path=path).state) == (4, "stopped")
    assert trainer(run_file, runs_dir, stroke=while_saving()).ended().code == -signal.SIGKILL
    assert not Run(path=path).checkpoints()
    assert half_written(runs_dir), "killed while it saved its first checkpoint"
    train_through([after_step(27)], run_file, runs_dir)
    assert_equal(command, path, toy.path)
    sessions = [json.loads(line) for line in (path / "sessions.jsonl").read_text().splitlines()]
    assert [session["resumed_from"] for session in sessions] == [None, 0, 0, 20]


def random_strokes(seed: int) -> list[Stroke]:
    """Return twenty blows: four while the process starts, five while it saves, the others anywhere."""
    draw = random.Random(seed)
    steps = sorted(draw.sample(range(1, STEPS - 10), 11))
    strokes = [after_step(step, delay=draw.uniform(0, 0.03)) for step in steps]
    for _ in range(5):
        strokes.insert(draw.randint(0, 5), while_saving(delay=draw.choice((0, 0.002, 0.02))))
    return [*(Stroke(delay=draw.uniform(0, 0.3)) for _ in range(4)), *strokes]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_killed_at_twenty_random_moments_ends_as_if_nothing_had_happened(
    run_file: Path, toy: Toy, command: Command, seed: int
) -> None:
    runs_dir = run_file.parent / "runs"
    train_through(random_strokes(seed), run_file, runs_dir)
    assert_equal(command, the_run(runs_dir), toy.path)


def test_an_interrupted_run_saves_and_goes_on_as_if_nothing_had_happened(
    run_file: Path, toy: Toy, command: Command
) -> None:
    runs_dir = run_file.parent / "runs"
    elsewhere = run_file.parent.parent
    for step, number, folder in ((3, signal.SIGINT, None), (24, signal.SIGTERM, elsewhere)):
        ended = trainer(run_file, runs_dir, stroke=after_step(step, number=number), folder=folder).ended()
        run = Run(path=the_run(runs_dir))
        assert ended.code == 130
        assert json.loads(ended.out)["exit"] == 130
        assert f"interrupted, saved at step {step};" in ended.err
        assert (run.state, run.last_step) == ("interrupted", step)
        assert run.checkpoints()[-1].name == f"step-{step:08d}"
    assert trainer(run_file, runs_dir).ended().code == 0
    assert_equal(command, the_run(runs_dir), toy.path)


@pytest.mark.slow
def test_a_run_interrupted_twice_stops_at_once_and_goes_on_from_its_checkpoint(
    run_file: Path, toy: Toy, command: Command
) -> None:
    runs_dir = run_file.parent / "runs"
    ended = trainer(run_file, runs_dir, stroke=after_step(12, number=signal.SIGINT, times=2)).ended()
    assert ended.code == 130
    assert ended.err.splitlines()[-1] == "twosignal: interrupted"
    run = Run(path=the_run(runs_dir))
    assert run.state == "interrupted"
    assert [saved.name for saved in run.checkpoints()] == ["step-00000010"]
    assert trainer(run_file, runs_dir).ended().code == 0
    assert_equal(command, run.path, toy.path)


def test_an_interruption_while_the_data_is_read_leaves_no_run(run_file: Path) -> None:
    runs_dir = run_file.parent / "runs"
    stroke = Stroke(number=signal.SIGINT, call="twosignal.packs.prepare.train_tokenizer")
    ended = trainer(run_file, runs_dir, stroke=stroke).ended()
    assert ended.code == 130
    assert ended.err.splitlines()[-1] == "twosignal: interrupted"
    assert visible(runs_dir) == []


def test_a_second_trainer_is_refused_and_harms_nothing(run_file: Path, command: Command) -> None:
    runs_dir = run_file.parent / "runs"
    life = trainer(run_file, runs_dir, stroke=after_step(2, number=signal.SIGSTOP))
    while not any(Run(path=path).last_step == 2 for path in runs_dir.glob("toy-*")):
        assert life.process.is_alive()
        time.sleep(0.02)
    ended = command("train", run_file, "--runs", runs_dir, "--resume", "auto")
    life.kill()
    life.ended()
    assert ended.code == 2
    assert "another process is writing to this run" in ended.sentence
    assert "Wait until it has ended" in ended.sentence
    run = Run(path=the_run(runs_dir))
    assert (run.last_step, run.verify_chain()) == (2, None)


@pytest.fixture
def cut_short(toy: Toy, tmp_path: Path) -> Path:
    """The run file of a project whose run was killed between its last checkpoint and its end."""
    project = tmp_path / "project"
    run_file = write_toy(project)
    path = shutil.copytree(toy.path, project / "runs" / toy.id)
    shutil.copytree(toy.runs_dir / ".cache", project / "runs" / ".cache")
    (path / "heartbeat.json").unlink()
    lines = (path / "events.jsonl").read_bytes().splitlines(keepends=True)
    assert b'"kind":"end"' in lines[-1]
    (path / "events.jsonl").write_bytes(b"".join(lines[:-1]))
    return run_file


def go_on(command: Command, run_file: Path, *options: str) -> tuple[int, str]:
    """Resume in this process; return exit code and the one sentence, empty when all went well."""
    ended = command("train", run_file, "--runs", run_file.parent / "runs", "--resume", "auto", *options)
    return ended.code, ended.sentence if ended.code else ""


def test_a_run_killed_just_before_its_last_word_says_the_same_word(
    cut_short: Path, toy: Toy, command: Command
) -> None:
    assert go_on(command, cut_short) == (0, "")
    assert_equal(command, the_run(cut_short.parent / "runs"), toy.path)


def test_resuming_a_finished_run_does_nothing(toy: Toy, command: Command) -> None:
    before = {file: file.stat().st_mtime_ns for file in toy.path.rglob("*")}
    ended = command("train", toy.run_file, "--runs", toy.runs_dir, "--resume", "auto", "--json")
    assert ended.code == 0
    assert "is finished: nothing is left to do" in ended.err
    result, trained = json.loads(ended.out), json.loads(toy.out)
    assert result.keys() == trained.keys()
    untimed = [name for name in trained if "second" not in name]
    assert {name: result[name] for name in untimed} == {name: trained[name] for name in untimed}
    assert {file: file.stat().st_mtime_ns for file in toy.path.rglob("*")} == before


def test_a_run_does_not_go_on_with_other_data(cut_short: Path, command: Command) -> None:
    with (cut_short.parent / "books.txt").open("a") as file:
        file.write("One more line.\n")
    records = (the_run(cut_short.parent / "runs") / "events.jsonl").read_bytes()
    code, sentence = go_on(command, cut_short)
    assert code == 2
    assert "the data of chat or books is not what the run was started with" in sentence
    assert "Put the old data back" in sentence
    assert (the_run(cut_short.parent / "runs") / "events.jsonl").read_bytes() == records


def test_a_run_without_a_checkpoint_does_not_start_over_with_other_data(
    cut_short: Path, command: Command
) -> None:
    shutil.rmtree(the_run(cut_short.parent / "runs") / "checkpoints")
    with (cut_short.parent / "chat.jsonl").open("a") as file:
        file.write('{"messages": [{"role": "assistant", "content": "Hello."}]}\n')
    code, sentence = go_on(command, cut_short)
    assert (code, "is not what the run was started with" in sentence) == (2, True)


def test_a_run_does_not_go_on_with_another_run_file(cut_short: Path, toy: Toy, command: Command) -> None:
    options = ["--resume", toy.id, "--runs", cut_short.parent / "runs"]
    ended = command("train", cut_short, *options, "--set", "train.learning_rate=0.5")
    assert ended.code == 2
    assert "the run was started with another train.learning_rate (found 0.5; expected None)" in ended.sentence
    assert "Give the run file as it was" in ended.sentence


def test_a_changed_checkpoint_is_refused_with_a_way_on(cut_short: Path, toy: Toy, command: Command) -> None:
    newest = the_run(cut_short.parent / "runs") / "checkpoints" / f"step-{STEPS:08d}"
    weights = newest / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    code, sentence = go_on(command, cut_short)
    assert code == 2
    assert "model.safetensors is missing or was changed" in sentence
    assert "delete this folder to go on from the checkpoint before it" in sentence
    shutil.rmtree(newest)
    assert go_on(command, cut_short) == (0, "")
    assert_equal(command, the_run(cut_short.parent / "runs"), toy.path)


def test_a_damaged_run_is_no_obstacle_to_a_new_one(cut_short: Path, toy: Toy, command: Command) -> None:
    runs_dir = cut_short.parent / "runs"
    events = runs_dir / toy.id / "events.jsonl"
    events.write_bytes(events.read_bytes()[:-40] + b"\n")
    code, sentence = go_on(command, cut_short)
    assert (code, f"{toy.id}/events.jsonl:" in sentence) == (2, True)
    refused = settings(rows__tokens=16)
    ended = command("train", cut_short, "--runs", runs_dir, *refused)
    assert ended.code == 4, "it came as far as the proof"


def test_a_run_that_was_cut_short_is_mentioned_to_whoever_starts_anew(
    cut_short: Path, toy: Toy, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def enough(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("twosignal.commands.train.build", enough)
    ended = command("train", cut_short, "--runs", cut_short.parent / "runs")
    assert (ended.code, ended.err) == (130, "twosignal: interrupted\n")
    assert f"note: {toy.id} was cut short; --resume auto would go on with it" in ended.out


def test_another_run_file_starts_another_run(cut_short: Path, command: Command) -> None:
    runs_dir = cut_short.parent / "runs"
    before = the_run(runs_dir)
    records = (before / "events.jsonl").read_bytes()
    shorter = settings(run__steps=1, samples__tokens=2)
    assert go_on(command, cut_short, *shorter) == (0, "")
    assert len(visible(runs_dir)) == 2
    assert (before / "events.jsonl").read_bytes() == records


@pytest.fixture
def with_dropout(run_file: Path, toy: Toy) -> Path:
    """A run file that fine-tunes a small GPT-2 with dropout."""
    folder = run_file.parent / "gpt2"
    tokenizer = load_tokenizer(toy.path)
    torch.manual_seed(0)
    shape = GPT2Config(vocab_size=tokenizer.vocab_size, n_positions=64, n_embd=32, n_layer=2, n_head=2)
    assert shape.resid_pdrop == 0.1, "dropout is on"
    GPT2LMHeadModel(shape).save_pretrained(folder)
    tokenizer.save(folder)
    text = run_file.read_text().replace('preset = "tiny"', 'from = "gpt2"')
    run_file.write_text(text.replace("[tokenizer]\nvocab = 300\n", "").replace("steps = 60", "steps = 25"))
    return run_file


@pytest.mark.slow
def test_a_killed_run_with_dropout_draws_the_same_dropout(with_dropout: Path, command: Command) -> None:
    project = with_dropout.parent
    undisturbed, killed = project / "undisturbed", project / "killed"
    assert trainer(with_dropout, undisturbed).ended().code == 0
    train_through([after_step(13)], with_dropout, killed)
    assert_equal(command, the_run(killed), the_run(undisturbed))


def test_dropout_follows_from_the_seed_of_the_run_file_alone(with_dropout: Path, command: Command) -> None:
    losses = []
    for number in range(2):
        torch.manual_seed(number)
        options = ["--runs", with_dropout.parent / f"runs{number}", "--json"]
        ended = command("train", with_dropout, *options, *settings(run__steps=1, samples__tokens=1))
        losses.append(json.loads(ended.out)["loss"])
    assert losses[0] == losses[1]
