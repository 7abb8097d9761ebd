"""The data of a run: takes a config, gives tokenizer, row length and prepared sources, before any weights are loaded."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from twosignal.config import Config
from twosignal.errors import ConfigError, InputError
from twosignal.model.presets import find_preset
from twosignal.model.pretrained import find_model
from twosignal.packs.prepare import PreparedSource, grow_tokenizer, prepare
from twosignal.tokens.pretrained import load_tokenizer
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.train.steering.target import prepare_files

LONGEST_DEFAULT_ROW = 4096
"""Rows are not made longer than this unless the run file asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What a run reads."""

    tokenizer: Tokenizer
    sources: dict[str, PreparedSource]
    row_tokens: int
    """Tokens of a packed row."""
    context: int
    """Longest sequence of the model the rows are made for."""
    target_files: dict[str, PreparedSource] = field(default_factory=dict)
    """Files that the curriculum's target names, by what it calls them; nothing of them is trained on."""


def prepare_data(config: Config, *, folder: Path, runs_dir: Path, say: Callable[[str], None]) -> Data:
    """Load or train the tokenizer, then read, tokenize and pack every source.

    Relative paths start at `folder`; tokenized data is kept in `runs_dir`/.cache.
    """
    cache = runs_dir / ".cache"
    context = _context(config, folder)
    row_tokens = config.rows.tokens or min(LONGEST_DEFAULT_ROW, context)
    if row_tokens > context:
        message = "rows are longer than the model's context"
        found, expected = f"tokens = {row_tokens}", f"at most {context}"
        remedy = "Lower rows.tokens" + (", or raise model.context." if config.model.preset else ".")
        raise ConfigError(message, where="[rows]", found=found, expected=expected, remedy=remedy)
    if config.model.source is not None:
        tokenizer = load_tokenizer(local(config.model.source, folder))
    elif config.tokenizer.source is not None:
        tokenizer = load_tokenizer(local(config.tokenizer.source, folder))
    else:
        tokenizer = grow_tokenizer(config, folder=folder, cache=cache, say=say)
    sources = prepare(config, tokenizer, folder=folder, cache=cache, row_tokens=row_tokens, say=say)
    files = prepare_files(config, tokenizer, folder=folder, cache=cache, row_tokens=row_tokens, say=say)
    return Data(
        tokenizer=tokenizer, sources=sources, row_tokens=row_tokens, context=context, target_files=files
    )


def local(source: str, folder: Path) -> str:
    """Return a path relative to the run file as one that opens from here; hub ids stay as they are."""
    place = folder / source
    return str(place) if place.exists() else source


def _context(config: Config, folder: Path) -> int:
    """Return the longest sequence of the model that the run file names."""
    if config.model.preset is not None:
        own = find_preset(config.model.preset).context
        return config.model.context or max(own, config.rows.tokens or 0)
    source = find_model(local(config.model.source or "", folder))
    try:
        model_config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, TypeError, StrictDataclassError) as error:
        message = f"the model's configuration cannot be used: {str(error).splitlines()[-1].strip()}"
        remedy = "Give a folder with config.json and model.safetensors, or a hub id."
        raise InputError(message, where=f"model.from = {source}", remedy=remedy) from error
    return context_of(model_config)


def context_of(model_config: object) -> int:
    """Return the longest sequence that a transformers configuration allows."""
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        value = getattr(model_config, name, None)
        if isinstance(value, int):
            return value
    return LONGEST_DEFAULT_ROW
