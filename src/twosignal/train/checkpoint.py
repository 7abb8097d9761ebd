"""One atomic bundle: takes everything a run needs to go on, gives a folder that is complete or absent.

The folder holds the model and tokenizer as plain transformers files, the optimizer's moments
and random state as safetensors, and the rest as JSON. It is written under a hidden name,
synced, then renamed; there are no pickles, and loading runs no code.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from twosignal.errors import RunError
from twosignal.model.pretrained import save_model
from twosignal.packs.store import storage_errors
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.train.optimizer import Mover

STATE_VERSION = 1
RANDOM_STATE = "random.torch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumable:
    """What a checkpoint saves and restores in place."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    mover: Mover


def save_checkpoint(folder: Path, parts: Resumable, state: Mapping[str, Any]) -> None:
    """Write the bundle so that `folder` appears whole or not at all.

    Raises StorageError when the disk is full or read-only; the partial folder is removed.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    with storage_errors(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            save_model(parts.model, partial)
            parts.tokenizer.save(partial)
            tensors = {**parts.mover.state(), RANDOM_STATE: torch.get_rng_state()}
            save_file({n: t.contiguous() for n, t in tensors.items()}, partial / "optimizer.safetensors")
            whole = {"version": STATE_VERSION, **state, "files": _digests(partial)}
            (partial / "state.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
            _sync(partial)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
            _sync_folder(folder.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def read_state(folder: Path) -> dict[str, Any]:
    """Return the JSON part of a checkpoint after checking every file against its hash.

    Raises RunError when a file is missing or has changed.
    """
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = "this is not a complete checkpoint"
        raise RunError(message, where=str(folder), found=str(error)) from error
    now = _digests(folder)
    changed = sorted(name for name, digest in state["files"].items() if now.get(name) != digest)
    if changed:
        message = f"{changed[0]} is missing or was changed after it was saved"
        raise RunError(
            message, where=str(folder), remedy="Resume from an older checkpoint, or restore the file."
        )
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
    parts.mover.restore(tensors)


def newest_checkpoint(run_folder: Path) -> Path | None:
    """Return the checkpoint with the highest step, or None."""
    found = sorted((run_folder / "checkpoints").glob("step-*"))
    return found[-1] if found else None


def checkpoint_path(run_folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step lies."""
    return run_folder / "checkpoints" / f"step-{step:08d}"


def thin_out(run_folder: Path, *, keep: int, best: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the one of step `best`, and what a kill left half done."""
    found = sorted((run_folder / "checkpoints").glob("step-*"))
    kept = set(found[-keep:])
    if best is not None:
        kept.add(checkpoint_path(run_folder, best))
    for folder in found:
        if folder not in kept:
            folder.rename(folder.with_name(f".{folder.name}.deleted"))
    for leftover in (run_folder / "checkpoints").glob(".step-*"):
        shutil.rmtree(leftover, ignore_errors=True)


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
