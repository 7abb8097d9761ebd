"""Saved models: takes a folder, a run folder or a hub id, gives the model in float32; and saves one again.

Only safetensors are read: a pickle can run code when it is opened. Code that comes with a
model is never run.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from twosignal.errors import InputError, RunError
from twosignal.model.isolation import isolate
from twosignal.records.saved import saved_checkpoints

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def load_model(source: str, *, device: torch.device | str = "cpu") -> PreTrainedModel:
    """Return a causal model with float32 weights and our attention, in evaluation mode.

    source: a folder with config.json, a run folder (its newest checkpoint is taken), or a hub id.
    Raises InputError where there is nothing that can be read, RunError for a run without a
    checkpoint, RefusedError for a model whose documents cannot be kept apart.
    """
    place = find_model(source)
    try:
        with _without_progress_bars():
            model, report = AutoModelForCausalLM.from_pretrained(
                place,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise _unreadable(source, place, error) from error
    if report["missing_keys"]:
        raise InputError(
            "the model's weights are incomplete",
            where=place,
            found=f"no {min(report['missing_keys'])} and {len(report['missing_keys']) - 1} others missing",
            remedy="Give a model that was trained to predict the next token.",
        )
    return isolate(model.to(device))


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """Write weights (safetensors), config.json and generation_config.json; transformers loads them as they are."""
    with _without_progress_bars():
        model.save_pretrained(folder)


def find_model(source: str) -> str:
    """Return the folder that holds the model's files, or the hub id itself; see `load_model` for errors."""
    path = Path(source).expanduser()
    if path.is_dir():
        return str(_model_folder(path))
    is_path = path.exists() or source.startswith((".", "/", "~")) or not HUB_ID.fullmatch(source)
    if is_path:
        raise InputError(
            "there is no such folder" if not path.exists() else "this is a file, not a folder",
            where=source,
            expected="a folder with config.json, a run folder, or a hub id such as Qwen/Qwen3-0.6B",
        )
    return source


def check_vocabulary(model: PreTrainedModel, vocab_size: int) -> None:
    """Raise InputError if the model's embedding has fewer rows than the tokenizer has tokens."""
    rows = model.get_input_embeddings().weight.shape[0]
    if rows < vocab_size:
        raise InputError(
            "the tokenizer has more tokens than the model's embedding has rows",
            found=f"{vocab_size} tokens",
            expected=f"at most {rows}",
            remedy="Use the tokenizer that was saved with the model.",
        )


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _model_folder(folder: Path) -> Path:
    if (folder / "checkpoints").is_dir():
        folder = _newest_checkpoint(folder)
    if not (folder / "config.json").is_file():
        raise InputError(
            "there is no config.json in the folder",
            where=str(folder),
            expected="a model saved by transformers, or a run folder",
        )
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        raise InputError(
            "the folder has no weights in the safetensors format",
            where=str(folder),
            found=", ".join(pickles),
            remedy="Pickles are not opened, since they can run code: save the model again as safetensors."
            if pickles
            else "",
        )
    return folder


def _newest_checkpoint(run: Path) -> Path:
    found = saved_checkpoints(run)
    if not found:
        raise RunError(
            "the run has no checkpoint yet", where=str(run), remedy="Wait for the first, or give another run."
        )
    return found[-1]


def _unreadable(source: str, place: str, error: Exception) -> InputError:
    """Turn what transformers raised into a sentence; its own first line is kept as what was found."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if not Path(place).is_dir():
        return InputError(
            "the model is neither a folder here nor could it be had from the hub",
            where=source,
            found=reason,
            remedy="Check the name and the network, or give a folder that holds the model.",
        )
    return InputError("the model cannot be loaded", where=place, found=reason)
