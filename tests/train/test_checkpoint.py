"""A checkpoint is whole or absent, gives back every bit, and is a plain transformers model besides."""

import errno
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.train.small import FAMILIES, Shape, tiny_model, weights_of
from twosignal.config import TrainTable
from twosignal.errors import RunError, StorageError
from twosignal.text.conversation import Message
from twosignal.tokens.render import Renderer
from twosignal.tokens.training import train_tokenizer
from twosignal.train import checkpoint as checkpoint_module
from twosignal.train.checkpoint import (
    Resumable,
    checkpoint_path,
    newest_checkpoint,
    read_state,
    restore_checkpoint,
    save_checkpoint,
    thin_out,
)
from twosignal.train.optimizer import Mover

TOKENIZER = train_tokenizer([], kind="bytes", vocab=265)


def resumable(
    family: str = "llama", *, is_tied: bool = False, optimizer: str = "adamw", seed: int = 0
) -> Resumable:
    model = tiny_model(family, Shape(vocab=TOKENIZER.vocab_size, is_tied=is_tied), seed=seed)
    mover = Mover(model, TrainTable(optimizer=optimizer), peak=0.01)
    return Resumable(model=model, tokenizer=TOKENIZER, mover=mover)


def move(parts: Resumable, *, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parts.model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    parts.mover.move(1.0)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("is_tied", [True, False])
def test_every_bit_comes_back(family: str, is_tied: bool, optimizer: str, tmp_path: Path) -> None:
    parts = resumable(family, is_tied=is_tied, optimizer=optimizer)
    move(parts, seed=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        torch.rand(3)
        save_checkpoint(tmp_path / "step-00000001", parts, {"step": 1, "probe": 2.5})
        expected = torch.rand(4)
        again = resumable(family, is_tied=is_tied, optimizer=optimizer, seed=7)
        torch.manual_seed(0)
        state = read_state(tmp_path / "step-00000001")
        restore_checkpoint(tmp_path / "step-00000001", again)
        assert torch.equal(torch.rand(4), expected)
    assert (state["step"], state["probe"], state["version"]) == (1, 2.5, 2)
    before = parts.mover.state()
    assert again.mover.state().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in again.mover.state().items())
    for one in (parts, again):
        move(one, seed=2)
    others = weights_of(again.model)
    assert all(torch.equal(weight, others[name]) for name, weight in weights_of(parts.model).items())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("is_tied", [True, False])
def test_plain_transformers_loads_it(family: str, is_tied: bool, tmp_path: Path) -> None:
    parts = resumable(family, is_tied=is_tied)
    move(parts, seed=1)
    save_checkpoint(tmp_path / "step-00000001", parts, {"step": 1})
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "step-00000001").eval()
    assert loaded.config._attn_implementation != "twosignal"
    parts.model.set_attn_implementation(loaded.config._attn_implementation)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "step-00000001")
    messages = [Message(role="user", content="hello"), Message(role="assistant", content="hi")]
    ids = Renderer(TOKENIZER).prompt_ids(messages)
    plain = tokenizer.apply_chat_template(
        [{"role": m.role, "content": m.content} for m in messages],
        add_generation_prompt=True,
        return_dict=False,
    )
    assert plain == ids
    with torch.no_grad():
        ours = parts.model.eval()(input_ids=torch.tensor([ids])).logits
        assert torch.equal(loaded(input_ids=torch.tensor([ids])).logits, ours)


def test_nothing_in_the_folder_can_run_code(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "step-00000001", resumable(), {"step": 1})
    kinds = {path.suffix for path in (tmp_path / "step-00000001").iterdir()}
    assert kinds <= {".json", ".safetensors", ".jinja"}


@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.safetensors", "config.json", "tokenizer.json"]
)
def test_a_flipped_byte_is_found_and_its_file_named(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "step-00000001"
    save_checkpoint(folder, resumable(), {"step": 1})
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(
        RunError, match=rf"step-00000001: {name} is missing or was changed after it was saved"
    ):
        read_state(folder)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "step-00000001"
    save_checkpoint(folder, resumable(), {"step": 1})
    (folder / "optimizer.safetensors").unlink()
    with pytest.raises(RunError, match="optimizer.safetensors is missing"):
        read_state(folder)


@pytest.mark.parametrize("text", [None, "", '{"step": 1, "fil'])
def test_a_checkpoint_without_its_state_is_not_complete(text: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "step-00000001"
    save_checkpoint(folder, resumable(), {"step": 1})
    (folder / "state.json").unlink()
    if text is not None:
        (folder / "state.json").write_text(text)
    with pytest.raises(RunError, match="step-00000001: this is not a complete checkpoint"):
        read_state(folder)


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "step-00000001"
    save_checkpoint(folder, resumable(), {"step": 1})
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**state, "version": 99}))
    with pytest.raises(RunError, match="found version 99; expected version 2"):
        read_state(folder)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "step-00000001", resumable("llama"), {"step": 1})
    with pytest.raises(RunError, match="the checkpoint lacks .*The model of the run file has changed"):
        restore_checkpoint(tmp_path / "step-00000001", resumable("gpt2"))


def test_a_file_that_cannot_be_written_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint_module, "_sync", fail)
    with pytest.raises(StorageError, match="No space left on device"):
        save_checkpoint(tmp_path / "step-00000001", resumable(), {"step": 1})
    assert list(tmp_path.iterdir()) == []


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """Let every write beyond this fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("num_bytes", [100, 4096], ids=["the configuration", "the weights"])
def test_a_disk_that_fills_up_is_one_sentence_and_leaves_no_folder(num_bytes: int, tmp_path: Path) -> None:
    parts = resumable()
    with (
        files_of_at_most(num_bytes),
        pytest.raises(StorageError, match="step-00000001: cannot write: File too large"),
    ):
        save_checkpoint(tmp_path / "step-00000001", parts, {"step": 1})
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_in_the_middle_leaves_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = resumable()
    old = checkpoint_path(tmp_path, 1)
    save_checkpoint(old, parts, {"step": 1})

    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint_module, "_sync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(checkpoint_path(tmp_path, 2), parts, {"step": 2})
    assert newest_checkpoint(tmp_path) == old
    assert [path.name for path in old.parent.iterdir()] == [old.name]
    assert read_state(old)["step"] == 1


def test_what_a_kill_left_is_no_checkpoint_and_does_not_stop_the_next(tmp_path: Path) -> None:
    leftover = tmp_path / "checkpoints" / ".step-00000001.partial"
    leftover.mkdir(parents=True)
    (leftover / "model.safetensors").write_bytes(b"half")
    assert newest_checkpoint(tmp_path) is None
    save_checkpoint(checkpoint_path(tmp_path, 1), resumable(), {"step": 1})
    assert newest_checkpoint(tmp_path) == checkpoint_path(tmp_path, 1)
    assert not leftover.exists()
    assert read_state(checkpoint_path(tmp_path, 1))["step"] == 1


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    parts = resumable()
    for probe in (1.0, 2.0):
        save_checkpoint(checkpoint_path(tmp_path, 3), parts, {"step": 3, "probe": probe})
    assert read_state(checkpoint_path(tmp_path, 3))["probe"] == 2.0


def test_the_newest_is_the_one_of_the_highest_step_after_the_last_roll_back(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    for step in (9, 120, 20):
        checkpoint_path(tmp_path, step).mkdir(parents=True)
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoints" / "step-00000120"
    checkpoint_path(tmp_path, 20, rollbacks=1).mkdir()
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoints" / "step-00000020-r1"


def test_only_what_is_to_be_kept_stays(tmp_path: Path) -> None:
    names = ["step-00000010", "step-00000020", "step-00000020-r1", "step-00000030"]
    for name in (*names, ".step-00000005.deleted", ".step-00000050.partial"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / name / "model.safetensors").write_bytes(b"half")
    thin_out(tmp_path, kept={"step-00000020-r1", "step-00000030", "step-00000099"})
    left = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert left == ["step-00000020-r1", "step-00000030"]
