"""Datasets of the Hugging Face hub: takes "owner/name:config@split" or a local dataset folder, gives its rows.

Uses the optional package `datasets` in streaming mode; this is the one module that imports inside a function.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from pathlib import Path
from types import ModuleType
from typing import Any

from twosignal.errors import SourceError
from twosignal.text.columnar import checked_columns
from twosignal.text.readers import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class HubInput:
    """One split of one dataset."""

    name: str
    """Hub id, or the absolute path of a local folder."""
    config: str | None
    split: str
    shown: str
    """As the user gave it, `hf:` included; what errors and origins name."""

    @property
    def is_local(self) -> bool:
        """The dataset is a folder on this machine."""
        return Path(self.name).is_absolute()


def parse_hub(spec: str, *, folder: Path, source: str) -> HubInput:
    """Return what `hf:owner/name[:config][@split]` or `hf:./folder` means; the split is "train" unless named."""
    rest = spec.removeprefix("hf:")
    rest, _, split = rest.partition("@")
    name, _, config = rest.partition(":")
    if name.startswith((".", "/", "~")):
        place = (folder / Path(name).expanduser()).resolve()
        if not place.is_dir():
            raise SourceError(
                f'source "{source}": no such dataset folder',
                where=spec,
                found=f"nothing at {place}",
                remedy=f"Correct sources.{source}.path; relative paths begin at {folder}.",
            )
        name = str(place)
    elif name.count("/") > 1 or not all(name.split("/")):
        raise SourceError(
            f'source "{source}": not a hub dataset',
            where=spec,
            expected='"hf:owner/name", "hf:owner/name:config@split", or "hf:./folder"',
        )
    return HubInput(name=name, config=config or None, split=split or "train", shown=spec)


def read_hub(dataset: HubInput) -> Iterator[Row]:
    """Yield the dataset's rows in order, numbered from 1, without storing the dataset on this machine.

    Raises SourceError where `datasets` is not installed or cannot give the split.
    """
    library = _library(dataset)
    try:
        stream = library.load_dataset(dataset.name, name=dataset.config, split=dataset.split, streaming=True)
        for number, value in enumerate(stream, 1):
            yield Row(line=number, value=checked_columns(value))
    except (library.exceptions.DatasetsError, ValueError, OSError) as error:
        raise _unreadable(dataset, error) from error


def hub_fingerprint(dataset: HubInput) -> bytes:
    """Return a hash of the dataset: of a folder its files, of a hub dataset its revision.

    Raises SourceError where the revision cannot be asked for.
    """
    digest = blake2b(f"{dataset.config}@{dataset.split}".encode(), digest_size=16)
    if dataset.is_local:
        files = [
            p for p in sorted(Path(dataset.name).rglob("*")) if p.is_file() and not p.name.startswith(".")
        ]
        for path in files:
            digest.update(path.relative_to(dataset.name).as_posix().encode())
            with path.open("rb") as stream:
                digest.update(file_digest(stream, "blake2b").digest())
        return digest.digest()
    library = _library(dataset)
    try:
        builder = library.load_dataset_builder(dataset.name, name=dataset.config)
    except (library.exceptions.DatasetsError, ValueError, OSError) as error:
        raise _unreadable(dataset, error) from error
    digest.update(f"{dataset.name}:{builder.hash}".encode())
    return digest.digest()


def _library(dataset: HubInput) -> Any:  # noqa: ANN401  datasets has no types of its own
    try:
        import datasets
    except ImportError as error:
        raise SourceError(
            "reading hub datasets needs the package datasets",
            where=dataset.shown,
            found="it is not installed",
            remedy="Install it: pip install twosignal[hub]",
        ) from error
    library: ModuleType = datasets
    return library


def _unreadable(dataset: HubInput, error: Exception) -> SourceError:
    lines = str(error).splitlines()
    return SourceError(
        "the dataset cannot be read",
        where=dataset.shown,
        found=lines[0] if lines else type(error).__name__,
        expected=f'a dataset with the split "{dataset.split}"',
        remedy="Check its name, config and split: hf:owner/name:config@split.",
    )
