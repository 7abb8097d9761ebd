"""A run that rots is halted with its evidence and keeps no rotten checkpoint; a healthy run is never halted."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from tests.end_to_end.conftest import Command
from tests.end_to_end.processes import Ended
from tests.end_to_end.toy import BOOKS, CHAT, Toy, settings, the_run, visible
from twosignal.records.reader import Run
from twosignal.tokens.pretrained import load_tokenizer

LONG_SAMPLES = settings(samples__tokens=120, samples__panel=2, run__steps=160)
RECKLESS = settings(train__learning_rate=3.0, train__clip=0, train__warmup=0)
"""Three thousand times the default; at three hundred times this model still learns."""


def train(command: Command, run_file: Path, *options: str) -> Ended:
    """Train in this process."""
    return command("train", run_file, "--runs", run_file.parent / "runs", "--json", *options)


def keep_only(run_file: Path, table: str) -> None:
    """Leave one source in the run file."""
    other = BOOKS if table == CHAT else CHAT
    run_file.write_text(run_file.read_text().replace(other, ""))


def last_line(ended: Ended) -> str:
    """Return the sentence that a command ended with; its log stands before it."""
    lines = ended.err.splitlines()
    assert [line.startswith("twosignal: ") for line in lines].count(True) == 1
    return lines[-1]


def assert_halted(run: Run, *, rule: str) -> None:
    """Check that verdict, action and end tell the same, and that nothing was saved after the verdict."""
    verdict = run.verdicts()[-1]
    assert (verdict.body["verdict"], verdict.body["rule"]) == ("halt", rule)
    action, end = next(run.events("action")), next(run.events("end"))
    evidence = verdict.body["evidence"]
    reason = verdict.body["reason"]
    assert action.body == {"action": "halt", "reason": reason, "evidence": evidence, "budget_left": 0}
    assert end.body == {"state": "halted", "reason": reason}
    assert action.step == end.step == verdict.step == run.last_step
    assert run.state == "halted"
    assert json.loads((run.path / "heartbeat.json").read_text())["state"] == "halted"
    assert all(event.step < verdict.step for event in run.events("checkpoint"))
    assert all(saved.name < f"step-{verdict.step:08d}" for saved in run.checkpoints())
    assert run.verify_chain() is None


@pytest.mark.parametrize("table", [CHAT, BOOKS], ids=["chat", "text"])
def test_a_run_whose_held_out_loss_explodes_is_halted(run_file: Path, command: Command, table: str) -> None:
    keep_only(run_file, table)
    ended = train(command, run_file, *settings(samples__tokens=2, run__steps=160), *RECKLESS)
    run = Run(path=the_run(run_file.parent / "runs"))
    sentence = last_line(ended)
    assert ended.code == 3
    assert sentence.startswith(
        f"twosignal: the gate halted {run.id} at step {run.last_step}: the held-out loss is "
    )
    assert "random chance is 5.7" in sentence
    assert "worse than guessing, and not falling, since step " in sentence
    assert f"Read the texts with: twosignal audit {run.id}" in sentence
    result = json.loads(ended.out)
    assert (result["exit"], result["verdict"], result["steps"]) == (3, "halt", run.last_step)
    assert result["reason"] in sentence
    assert_halted(run, rule="soup")
    audited = json.loads(command("audit", run.path, "--json").out)
    assert (audited["verdict"], audited["reason"]) == ("halt", result["reason"])


def test_a_run_that_says_the_same_again_and_again_is_halted(run_file: Path, command: Command) -> None:
    """Always the likeliest token of a model that has learned nothing: one token without end."""
    options = settings(
        train__learning_rate=1e-9,
        run__steps=20,
        samples__every=2,
        samples__tokens=250,
        samples__temperature=0.0,
        probes__every=20,
        checkpoints__every=4,
    )
    ended = train(command, run_file, *options)
    run = Run(path=the_run(run_file.parent / "runs"))
    sentence = last_line(ended)
    verdict = run.verdicts()[-1]
    assert ended.code == 3
    assert verdict.body["rule"] in ("andrea", "loop")
    assert_halted(run, rule=verdict.text("rule"))
    assert run.last_step == 10
    assert "5 samplings running (steps 2 to 10: " in sentence
    worst = sentence.split("; the worst text, at step ")[1]
    assert worst.split(' opens "')[1][:20] in " ".join(run.samples()[-1].text("text").split())
    assert "No checkpoint was saved whose texts were coherent." in sentence


@pytest.mark.slow
def test_a_halted_run_is_halted_again_when_it_goes_on(run_file: Path, command: Command) -> None:
    options = [*settings(samples__tokens=2, run__steps=160), *RECKLESS]
    assert train(command, run_file, *options).code == 3
    path = the_run(run_file.parent / "runs")
    records = (path / "events.jsonl").read_bytes()
    ended = train(command, run_file, *options, "--resume", "auto")
    assert ended.code == 3
    assert json.loads(ended.out)["verdict"] == "halt"
    assert (path / "events.jsonl").read_bytes() == records
    assert Run(path=path).state == "halted"


@pytest.mark.slow
def test_a_gate_that_only_notes_lets_the_run_go_on(run_file: Path, command: Command) -> None:
    options = [*settings(run__steps=60, gate__action="note", samples__tokens=2), *RECKLESS]
    ended = train(command, run_file, *options)
    run = Run(path=the_run(run_file.parent / "runs"))
    assert ended.code == 0
    assert run.last_step == 60
    assert any(event.body["verdict"] == "halt" for event in run.verdicts())
    assert not list(run.events("action"))
    assert run.state == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("table", [CHAT, BOOKS], ids=["chat", "text"])
def test_a_healthy_run_is_never_halted(run_file: Path, command: Command, table: str, seed: int) -> None:
    keep_only(run_file, table)
    ended = train(command, run_file, *LONG_SAMPLES, *settings(run__seed=seed))
    run = Run(path=the_run(run_file.parent / "runs"))
    assert ended.code == 0
    assert {event.body["verdict"] for event in run.verdicts()} == {"continue"}
    assert run.probes()[-1].number("loss") < 1.0


def test_the_toy_run_is_healthy(toy: Toy) -> None:
    run = Run(path=toy.path)
    assert {event.body["verdict"] for event in run.verdicts()} == {"continue"}
    assert run.state == "finished"


@pytest.fixture
def fine_tuned(run_file: Path, toy: Toy) -> Path:
    """The weights of a small GPT-2 with a head of its own; the run file fine-tunes it."""
    folder = run_file.parent / "gpt2"
    tokenizer = load_tokenizer(toy.path)
    torch.manual_seed(0)
    shape = GPT2Config(
        vocab_size=tokenizer.vocab_size,
        n_positions=64,
        n_embd=32,
        n_layer=2,
        n_head=2,
        tie_word_embeddings=False,
    )
    GPT2LMHeadModel(shape).save_pretrained(folder)
    tokenizer.save(folder)
    text = run_file.read_text().replace('preset = "tiny"', 'from = "gpt2"')
    run_file.write_text(text.replace("[tokenizer]\nvocab = 300\n", ""))
    return folder / "model.safetensors"


def change(weights: Path, name: str, factor: float) -> None:
    """Multiply one matrix of a saved model."""
    tensors = load_file(weights)
    tensors[name] *= factor
    save_file(tensors, weights, metadata={"format": "pt"})


def test_a_first_loss_far_above_chance_is_an_alarm(
    run_file: Path, fine_tuned: Path, command: Command
) -> None:
    change(fine_tuned, "lm_head.weight", 200.0)
    ended = train(command, run_file)
    run = Run(path=the_run(run_file.parent / "runs"))
    sentence = last_line(ended)
    assert ended.code == 3
    assert "at step 1, and guessing at random gives 5.70" in sentence
    assert "A wrong tokenizer, a wrong chat template or targets shifted by one do this" in sentence
    assert [event.body["id"] for event in run.events("finding")] == ["worse-than-random"]
    assert_halted(run, rule="worse-than-random")
    audited = json.loads(command("audit", run.path, "--json").out)
    assert "worse-than-random" in [finding["id"] for finding in audited["findings"]]
    assert audited["verdict"] != "continue"


def test_a_loss_that_is_no_number_is_an_alarm(run_file: Path, command: Command) -> None:
    options = settings(train__learning_rate=1e35, train__clip=0, train__warmup=0, probes__every=50)
    ended = train(command, run_file, *options)
    run = Run(path=the_run(run_file.parent / "runs"))
    sentence = last_line(ended)
    assert ended.code == 3
    assert "is not a finite number at step 2 (loss " in sentence
    assert "Lower train.learning_rate" in sentence
    assert_halted(run, rule="non-finite")


def test_an_alarm_that_is_only_noted_lets_the_run_go_on(
    run_file: Path, fine_tuned: Path, command: Command
) -> None:
    change(fine_tuned, "lm_head.weight", 200.0)
    ended = train(command, run_file, *settings(gate__action="note", run__steps=3, samples__tokens=2))
    run = Run(path=the_run(run_file.parent / "runs"))
    assert ended.code == 0
    assert run.last_step == 3
    assert [event.body["id"] for event in run.events("finding")] == ["worse-than-random"]


def test_weights_that_are_no_numbers_are_refused_by_the_proof(
    run_file: Path, fine_tuned: Path, command: Command
) -> None:
    change(fine_tuned, "transformer.h.0.mlp.c_fc.weight", float("inf"))
    ended = train(command, run_file)
    assert ended.code == 4
    assert "the model's output is not finite" in last_line(ended)
    assert "(non-finite) (found nan or infinity in transformer.h.0.mlp.c_fc.weight)" in last_line(ended)
    assert visible(run_file.parent / "runs") == []


def test_a_step_without_targets_is_refused_by_the_proof(run_file: Path, command: Command) -> None:
    keep_only(run_file, CHAT)
    ended = train(command, run_file, *settings(rows__tokens=8, rows__per_step=1, rows__too_long="split"))
    assert ended.code == 4
    assert "S6 every step has targets (no-targets): step " in last_line(ended)
    assert visible(run_file.parent / "runs") == []
