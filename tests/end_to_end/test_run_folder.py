"""What a run leaves behind is what the design promises, grown from scratch or fine-tuned from such a run."""

import json
import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.end_to_end import processes
from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy, chat, settings, the_run, write_toy
from twosignal.records.folder import Pulse
from twosignal.records.reader import Run
from twosignal.records.writer import RunWriter
from twosignal.runfile import config_hash, load_config

FOLDER = {
    "run.toml",
    "receipt.json",
    "receipt.html",
    "events.jsonl",
    "sessions.jsonl",
    "steps",
    "checkpoints",
    "loss.json",
    "samples.json",
    "bandit.json",
    "heartbeat.json",
    ".lock",
}
CHECKPOINT = {
    "model.safetensors",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "optimizer.safetensors",
    "state.json",
}
SAMPLE_KEYS = [
    "step",
    "prompt",
    "text",
    "loss",
    "ppl",
    "tier",
    "action",
    "domain",
    "source",
    "scores",
    "copied",
]
LOSS_KEYS = [
    "run",
    "model",
    "step",
    "loss",
    "smma",
    "ppl",
    "bits_per_byte",
    "random_chance",
    "by_source",
    "points",
]
TRAIN_KEYS = {
    "run",
    "steps",
    "exit",
    "loss",
    "probe",
    "verdict",
    "tokens_per_second",
    "targets_per_second",
    "seconds",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A run and what its command printed."""

    run: Run
    out: str
    model: str
    steps: int


@pytest.fixture(scope="module")
def tuned(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run that fine-tunes the toy run's last checkpoint for a few steps."""
    run_file = write_toy(tmp_path_factory.mktemp("tuned") / "project")
    checkpoint = Run(path=toy.path).checkpoints()[-1]
    text = run_file.read_text().replace('preset = "tiny"', f'from = "{checkpoint}"')
    run_file.write_text(text.replace("[tokenizer]\nvocab = 300\n", ""))
    options = settings(run__steps=3, samples__every=2, samples__tokens=8, checkpoints__every=2)
    runs_dir = run_file.parent / "runs"
    ended = processes.run(
        ["train", run_file, "--runs", runs_dir, "--json", *options],
        folder=run_file.parent,
        log=runs_dir.parent / "log",
    )
    assert ended.code == 0, ended.err
    return Trained(run=Run(path=the_run(runs_dir)), out=ended.out, model=str(checkpoint), steps=3)


@pytest.fixture(scope="module", params=["grown", "tuned"])
def trained(request: pytest.FixtureRequest, toy: Toy) -> Trained:
    """Both kinds of run."""
    if request.param == "grown":
        return Trained(run=Run(path=toy.path), out=toy.out, model="tiny", steps=40)
    found: Trained = request.getfixturevalue("tuned")
    return found


def read_json(path: Path) -> Any:
    """Read strict JSON."""

    def refuse(word: str) -> None:
        pytest.fail(f"{path.name} holds {word}, which is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_everything_is_there_and_nothing_else(trained: Trained) -> None:
    path = trained.run.path
    assert re.fullmatch(r"toy-\d{8}-\d{6}-[0-9a-f]{6}", path.name)
    assert {found.name for found in path.iterdir()} == FOLDER
    assert {found.name for found in (path / "steps").iterdir()} == {"learning.bin", "clock.bin"}
    for checkpoint in (path / "checkpoints").iterdir():
        assert re.fullmatch(r"step-\d{8}", checkpoint.name)
        assert {found.name for found in checkpoint.iterdir()} == CHECKPOINT


def test_nothing_is_a_pickle(trained: Trained) -> None:
    suffixes = {found.suffix for found in trained.run.path.rglob("*") if found.is_file()}
    assert suffixes == {".toml", ".json", ".jsonl", ".html", ".bin", ".safetensors", ".jinja", ""}
    for found in trained.run.path.rglob("*.bin"):
        assert found.read_bytes()[:1] == b"{", "the columns begin with a readable header"
    for found in trained.run.path.rglob("*.safetensors"):
        size = int.from_bytes(found.read_bytes()[:8], "little")
        json.loads(found.read_bytes()[8 : 8 + size])


def test_the_run_file_is_stored_resolved(trained: Trained, tmp_path: Path) -> None:
    values = tomllib.loads((trained.run.path / "run.toml").read_text())
    resolved = values.pop("resolved")
    assert Path(resolved["folder"], "chat.jsonl").exists()
    assert values["run"]["steps"] == trained.steps
    assert values["rows"] == {
        "tokens": 64,
        "per_step": 4,
        "too_long": "refuse",
        "max_lost": 0.02,
        "packing": True,
    }
    assert values["train"]["schedule"] == "wsd", "a default"
    again = tmp_path / "again.toml"
    lines = (trained.run.path / "run.toml").read_text().split("[resolved]")[0]
    again.write_text(lines)
    start = next(trained.run.events("start"))
    assert start.body["config"] == resolved["config"]
    assert config_hash(load_config(again)) == resolved["config"]


def test_the_events_tell_the_whole_run_in_order(trained: Trained) -> None:
    run, steps = trained.run, trained.steps
    header = json.loads((run.path / "events.jsonl").read_text().splitlines()[0])
    assert header == {"twosignal": "records", "version": 1}
    events = list(run.events())
    assert [event.kind for event in events][:4] == ["start", "prove", "probe", "verdict"]
    assert [event.kind for event in events][-2:] == ["checkpoint", "end"]
    assert {event.kind for event in events} - {"finding"} == {
        "start",
        "switch",
        "prove",
        "probe",
        "verdict",
        "sample",
        "checkpoint",
        "end",
    }
    assert [event.step for event in events] == sorted(event.step for event in events)
    assert all("time" in event.clock for event in events)
    assert run.verify_chain() is None
    start, end = events[0].body, events[-1].body
    assert start["model"] == trained.model
    assert (start["steps"], start["vocab"], start["sources"]) == (steps, 300, ["chat", "books"])
    assert start["inputs"].keys() == {"chat", "books"}  # type: ignore[attr-defined]
    assert end["state"] == "finished"
    assert events[-1].step == steps
    assert [event.step for event in run.probes()] == [0, *range(10, steps, 10), steps]


def test_the_steps_are_columns_with_names_and_units(trained: Trained) -> None:
    run = trained.run
    header = json.loads((run.path / "steps/learning.bin").read_bytes().split(b"\n")[0])
    units = {name: unit for name, _, unit in header["columns"]}
    assert units["loss_sum"] == "nats"
    assert {"step", "attempt", "targets", "bytes", "gradient_norm", "learning_rate", "tokens[chat]"} <= set(
        units
    )
    rows = run.steps()
    assert rows["step"].tolist() == list(range(1, trained.steps + 1))
    assert (rows["rows"] == 4).all()
    assert (rows["tokens"] == rows["tokens[chat]"] + rows["tokens[books]"]).all()
    assert (rows["targets"] == rows["targets[chat]"] + rows["targets[books]"]).all()
    assert np.allclose(rows["loss_sum"], rows["loss_sum[chat]"] + rows["loss_sum[books]"], rtol=1e-12)
    clock = run.clock()
    assert (clock["seconds"] > 0).all()
    assert len(clock) == trained.steps


def test_the_receipt_names_every_check(trained: Trained) -> None:
    receipt = read_json(trained.run.path / "receipt.json")
    assert receipt["passed"] is True
    assert [check["id"] for check in receipt["checks"]] == [
        *(f"S{n}" for n in range(1, 10)),
        *(f"P{n}" for n in range(1, 7)),
    ]
    for check in receipt["checks"]:
        assert {"id", "passed", "kind", "message", "evidence", "remedy"} <= check.keys()
        assert (check["passed"], check["kind"]) == (True, None)
    totals = {"conversations", "tokens", "targets", "targets_lost", "rows", "fill", "steps", "seconds"}
    assert totals <= receipt.keys()
    told = next(trained.run.events("prove")).body
    clock = {"seconds", "share_of_run"}
    timeless = {name: value for name, value in receipt.items() if name not in clock}
    timeless["checks"] = [{n: v for n, v in check.items() if n not in clock} for check in receipt["checks"]]
    assert {name: told[name] for name in timeless} == timeless
    assert clock.isdisjoint(told)


def test_loss_json_says_what_the_columns_say(trained: Trained) -> None:
    run = trained.run
    loss, rows = read_json(run.path / "loss.json"), run.steps()
    assert [key for key in loss if key in LOSS_KEYS] == LOSS_KEYS
    assert (loss["run"], loss["model"], loss["step"]) == (run.id, trained.model, trained.steps)
    assert loss["loss"] == rows["loss_sum"][-1] / rows["targets"][-1]
    assert math.isclose(loss["ppl"], math.exp(loss["loss"]))
    assert math.isclose(loss["bits_per_byte"], rows["loss_sum"][-1] / rows["bytes"][-1] / math.log(2))
    assert loss["random_chance"] == math.log(300)
    assert [point[0] for point in loss["points"]] == rows["step"].tolist()
    assert loss["points"][-1] == [trained.steps, loss["loss"], loss["smma"]]
    assert loss["by_source"].keys() == {"chat", "books"}
    for name, one in loss["by_source"].items():
        assert one.keys() == {"loss", "smma", "steps", "tokens"}
        assert one["tokens"] == rows[f"tokens[{name}]"].sum()


def test_samples_json_is_newest_first_and_whole(trained: Trained) -> None:
    samples = read_json(trained.run.path / "samples.json")
    told = trained.run.samples()
    assert [sample["text"] for sample in samples] == [event.body["text"] for event in reversed(told)]
    assert [sample["step"] for sample in samples] == sorted((one["step"] for one in samples), reverse=True)
    assert {sample["source"] for sample in samples} == {"chat", "books"}
    for sample in samples:
        assert list(sample) == SAMPLE_KEYS
        assert sample["scores"].keys() >= {"total", "bigram", "trigram", "english", "character"}
        assert math.isclose(sample["ppl"], math.exp(sample["loss"]))
        assert sample["action"] in ("ACCEPT", "ACCEPT_WITH_NOTE", "INVESTIGATE")


def test_the_mix_and_the_heartbeat_are_told(trained: Trained) -> None:
    shares = read_json(trained.run.path / "bandit.json")["shares"]
    assert math.isclose(sum(shares.values()), 1.0)
    beat = read_json(trained.run.path / "heartbeat.json")
    assert (beat["run"], beat["state"], beat["step"]) == (trained.run.id, "finished", trained.steps)
    assert beat["gate_step"] == trained.steps


def test_the_heartbeat_follows_every_sampling(
    run_file: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int | None]] = []
    beat = RunWriter.heartbeat

    def note(writer: RunWriter, *, state: Pulse, gate_step: int | None = None) -> None:
        told.append((state, gate_step))
        beat(writer, state=state, gate_step=gate_step)

    monkeypatch.setattr(RunWriter, "heartbeat", note)
    options = settings(run__steps=4, samples__every=2, samples__tokens=2)
    assert command("train", run_file, "--runs", run_file.parent / "runs", *options).code == 0
    assert told == [("running", None), ("running", 2), ("running", 4), ("finished", 4)]


def test_every_checkpoint_holds_all_a_run_needs_to_go_on(trained: Trained) -> None:
    for checkpoint in trained.run.checkpoints():
        state = json.loads((checkpoint / "state.json").read_text())
        assert {"step", "streams", "steering", "gate", "inputs", "records", "smma", "files"} <= state.keys()
        assert f"step-{state['step']:08d}" == checkpoint.name
        assert set(state["files"]) == CHECKPOINT - {"state.json"}


def test_the_newest_checkpoints_are_kept_and_the_best(trained: Trained) -> None:
    kept = [int(checkpoint.name.removeprefix("step-")) for checkpoint in trained.run.checkpoints()]
    told = [event.step for event in trained.run.events("checkpoint")]
    probes = {event.step: event.number("loss") for event in trained.run.probes()}
    best = min((step for step in told if step in probes), key=lambda step: probes[step])
    assert kept == sorted({*told[-3:], best})


def test_transformers_loads_a_checkpoint_as_it_is(trained: Trained) -> None:
    checkpoint = trained.run.checkpoints()[-1]
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    messages = chat("Ada has 2 figs and buys 3. How many?", "Ada has 5 figs now.")
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert text.startswith("<|bos|><|user|>Ada has 2 figs")
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids[0]) == text
    with torch.no_grad():
        loss = float(model(input_ids=ids, labels=ids).loss)
    assert loss < math.log(300) - 1.0, "it has learned something"
    assert model.config.vocab_size == 300
    assert set(np.atleast_1d(model.generation_config.eos_token_id)) >= {
        tokenizer.convert_tokens_to_ids("<|end|>")
    }


def test_fine_tuning_begins_where_the_checkpoint_ended(toy: Toy, tuned: Trained) -> None:
    before, after = Run(path=toy.path).probes()[-1], tuned.run.probes()[0]
    assert (before.step, after.step) == (40, 0)
    assert math.isclose(before.number("loss"), after.number("loss"), rel_tol=1e-5)
    assert next(tuned.run.events("start")).body["peak_learning_rate"] == 2e-5


def test_a_run_folder_is_a_model_to_fine_tune_too(run_file: Path, toy: Toy, command: Command) -> None:
    text = run_file.read_text().replace('preset = "tiny"', f'from = "{toy.path}"')
    run_file.write_text(text.replace("[tokenizer]\nvocab = 300\n", ""))
    runs_dir = run_file.parent / "runs"
    ended = command("train", run_file, "--runs", runs_dir, *settings(run__steps=1, samples__tokens=1))
    assert ended.code == 0, ended.err
    first = Run(path=the_run(runs_dir)).probes()[0].number("loss")
    assert math.isclose(first, Run(path=toy.path).probes()[-1].number("loss"), rel_tol=1e-5)


def test_the_last_line_of_training_is_its_result(trained: Trained) -> None:
    result = json.loads(trained.out)
    assert result.keys() >= TRAIN_KEYS
    assert (result["run"], result["steps"], result["exit"]) == (trained.run.id, trained.steps, 0)
    assert result["verdict"] == "continue"
    assert result["probe"] == trained.run.probes()[-1].number("loss")
    assert result["loss"] == read_json(trained.run.path / "loss.json")["loss"]
    assert result["folder"] == str(trained.run.path)
    assert result["targets_per_second"] < result["tokens_per_second"]
