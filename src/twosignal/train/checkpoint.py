"""One atomic bundle: takes everything a run needs to go on, gives a folder that is complete or absent.

The folder holds the model and tokenizer as plain transformers files, the optimizer's moments
and random state as safetensors, and the rest as JSON. It is written under a hidden name,
synced, then renamed; there are no pickles, and loading runs no code.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from twosignal.errors import RunError
from twosignal.model.pretrained import save_model
from twosignal.records.room import with_room
from twosignal.records.saved import Place, saved_checkpoints
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.train.optimizer import Mover

STATE_VERSION = 2
RANDOM_STATE = "random.torch"
CUDA_RANDOM_STATE = "random.cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumable:
    """What a checkpoint saves and restores in place."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    mover: Mover


def save_checkpoint(folder: Path, parts: Resumable, state: Mapping[str, Any]) -> None:
    """Write the bundle so that `folder` appears whole or not at all.

    Raises StorageError when the disk is full or read-only; the partial folder is removed. On a full disk it waits where
    the run says so (`records/room.py`).
    """
    with_room(lambda: _save(folder, parts, state), path=folder)


def _save(folder: Path, parts: Resumable, state: Mapping[str, Any]) -> None:
    """Write the bundle; raise OSError, and then leave nothing of it behind."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        _fill(partial, parts, state)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
        _sync_folder(folder.parent)
    except SafetensorError as error:
        raise _system_error(error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fill(partial: Path, parts: Resumable, state: Mapping[str, Any]) -> None:
    with _without_bars():
        save_model(parts.model, partial)
    parts.tokenizer.save(partial)
    tensors = {**parts.mover.state(), **_random_state()}
    save_file({n: t.contiguous() for n, t in tensors.items()}, partial / "optimizer.safetensors")
    whole = {"version": STATE_VERSION, **state, "files": _digests(partial)}
    (partial / "state.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
    _sync(partial)


def read_state(folder: Path) -> dict[str, Any]:
    """Return the JSON part of a checkpoint after checking every file against its hash.

    Raises RunError when a file is missing or has changed, or another version wrote them.
    """
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = "this is not a complete checkpoint"
        remedy = "Delete this folder to go on from the checkpoint before it."
        raise RunError(message, where=str(folder), found=str(error), remedy=remedy) from error
    if state.get("version") != STATE_VERSION:
        message = "the checkpoint was written by another version of twosignal"
        found, expected = f"version {state.get('version')}", f"version {STATE_VERSION}"
        raise RunError(message, where=str(folder), found=found, expected=expected)
    now = _digests(folder)
    changed = sorted(name for name, digest in state["files"].items() if now.get(name) != digest)
    if changed:
        message = f"{changed[0]} is missing or was changed after it was saved"
        remedy = "Restore the file, or delete this folder to go on from the checkpoint before it."
        raise RunError(message, where=str(folder), remedy=remedy)
    return state


def restore_checkpoint(folder: Path, parts: Resumable) -> None:
    """Load weights, moments and random state in place; bit for bit what was saved."""
    weights = load_file(folder / "model.safetensors")
    missing = parts.model.load_state_dict(weights, strict=False).missing_keys
    tied = set(getattr(parts.model, "all_tied_weights_keys", None) or ())
    if set(missing) - tied:
        message = f"the checkpoint lacks {sorted(set(missing) - tied)[0]}"
        raise RunError(
            message, where=str(folder), remedy="The model of the run file has changed: start a new run."
        )
    tensors = load_file(folder / "optimizer.safetensors")
    torch.set_rng_state(tensors.pop(RANDOM_STATE))
    if CUDA_RANDOM_STATE in tensors:
        torch.cuda.set_rng_state(tensors.pop(CUDA_RANDOM_STATE))
    parts.mover.restore(tensors)


def newest_checkpoint(run_folder: Path) -> Path | None:
    """Return the checkpoint saved last, or None."""
    found = saved_checkpoints(run_folder)
    return found[-1] if found else None


def checkpoint_path(run_folder: Path, step: int, *, rollbacks: int = 0) -> Path:
    """Return where the checkpoint of a step lies."""
    return run_folder / "checkpoints" / Place(rollbacks, step).name


def thin_out(run_folder: Path, *, kept: Collection[str]) -> None:
    """Delete all checkpoints but those with the names `kept`, and what a kill left half done."""
    for folder in saved_checkpoints(run_folder):
        if folder.name not in kept:
            folder.rename(folder.with_name(f".{folder.name}.deleted"))
    for leftover in (run_folder / "checkpoints").glob(".step-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _random_state() -> dict[str, torch.Tensor]:
    """Return the state of every generator that training draws from; dropout draws on the device."""
    states = {RANDOM_STATE: torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states[CUDA_RANDOM_STATE] = torch.cuda.get_rng_state()
    return states


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep transformers from drawing a progress bar through our own."""
    was_enabled = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            transformers_logging.enable_progress_bar()


def _system_error(error: SafetensorError) -> OSError:
    """Return what the system said; safetensors passes it on as text only."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))


def _digests(folder: Path) -> dict[str, str]:
    names = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != "state.json")
    return {name: _digest(folder / name) for name in names}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
