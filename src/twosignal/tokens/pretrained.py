"""Tokenizers of others, and ours again: takes a folder, a run folder or a hub id, gives a `Tokenizer`."""

import re
from collections.abc import Iterable
from pathlib import Path

from twosignal.errors import InputError
from twosignal.tokens.definition import FILES, MODEL_FILES
from twosignal.tokens.tokenizer import Tokenizer

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WANTED = (*FILES, *MODEL_FILES)


def load_tokenizer(source: str | Path) -> Tokenizer:
    """Return the tokenizer saved in a folder or run folder, or the one of a hub id such as "Qwen/Qwen3-0.6B".

    A path that exists is never looked up on the hub. Raises InputError when nothing is found,
    tokenizer.json is missing, a file is damaged, or the hub cannot be reached.
    """
    path = Path(source).expanduser()
    if path.is_file():
        path = path.parent
    if path.is_dir():
        return _read_folder(_holding_folder(path))
    if not _HUB_ID.fullmatch(str(source)):
        message = "there is no such folder"
        raise InputError(
            message,
            where=str(source),
            remedy='Give a folder with a tokenizer.json, a run folder, or a hub id such as "Qwen/Qwen3-0.6B".',
        )
    return _read_folder(_fetch(str(source)))


def _holding_folder(folder: Path) -> Path:
    """Return the folder itself, or the newest checkpoint with a tokenizer when it is a run folder."""
    if (folder / "tokenizer.json").exists():
        return folder
    checkpoints = sorted(folder.glob("checkpoints/step-*/tokenizer.json"))
    return checkpoints[-1].parent if checkpoints else folder


def _read_folder(folder: Path) -> Tokenizer:
    try:
        files = {name: (folder / name).read_bytes() for name in _present(folder, _WANTED)}
    except OSError as error:
        message = f"the tokenizer cannot be read: {error.strerror}"
        raise InputError(message, where=str(folder), remedy="Check the folder's permissions.") from error
    return Tokenizer(files, where=str(folder))


def _present(folder: Path, names: Iterable[str]) -> list[str]:
    return [name for name in names if (folder / name).is_file()]


def _fetch(hub_id: str) -> Path:
    """Return the folder of a hub repository's tokenizer files, from the local cache when the hub is out of reach."""
    # Optional boundary: only a hub id needs the client, and it takes long to import.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        return Path(snapshot_download(hub_id, allow_patterns=list(_WANTED)))
    except RepositoryNotFoundError as error:
        message = "there is no such folder here and no such model on the Hugging Face hub"
        remedy = "Check the spelling; a private or gated model needs `hf auth login` first."
        raise InputError(message, where=hub_id, remedy=remedy) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError) as error:
        message = "the tokenizer is not in the local cache and the Hugging Face hub cannot be reached"
        remedy = "Check the network, or download the model once elsewhere and give its folder."
        raise InputError(message, where=hub_id, remedy=remedy) from error
    except (HfHubHTTPError, HFValidationError) as error:
        message = f"the Hugging Face hub refused: {error}"
        raise InputError(message, where=hub_id, remedy="Try again later, or give a folder.") from error
