"""Examples on disk: takes a stream of `Example`s of one source, gives random access to them without holding them in memory.

A store is a folder written once, under a temporary name, then renamed; it is read
through memory maps. Its name carries a hash of everything it was made from.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from twosignal.errors import StorageError
from twosignal.text.conversation import Origin
from twosignal.tokens.example import Example, Ids, Mask

Scalar = TypeVar("Scalar", bound=np.generic)

_BLOCK = 1024
"""Examples written at once."""

_COUNTED = 1 << 22
"""Tokens that are counted at a time."""
FORMAT_VERSION = 1
"""Part of every store's name: raised when what is stored, or how it is labelled, changes."""

INDEX = np.dtype(
    [
        ("offset", "<i8"),
        ("length", "<i4"),
        ("targets", "<i4"),
        ("file", "<i4"),
        ("line", "<i8"),
        ("domain", "<i4"),
        ("is_conversation", "?"),
        ("held_out", "?"),
    ]
)
"""One row per example: where its tokens lie, how many are targets, and where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What became of one source's records, from file to store: nothing is dropped in silence."""

    records: int = 0
    """Good records read."""
    bad: int = 0
    """Malformed records skipped."""
    first_bad: str = ""
    """file:line and reason of the first of them."""
    without_targets: int = 0
    """Records in which nothing is supervised; kept out."""
    straddling: int = 0
    """Tokens left unsupervised because they are half prompt, half answer."""
    unknown: int = 0
    """Tokens that stand for text the vocabulary does not hold."""
    rewritten: int = 0
    """Learned turns that the chat template writes differently once further turns follow."""
    differing: int = 0
    """Conversations in whose tokens a faster way of encoding erred: it was given up."""
    clock: str = ""
    """The moment that the chat template was told, as ISO 8601; empty where it does not ask for the date."""


class ExampleStore:
    """Read access to the examples of one source; `store[i]` is the i-th in reading order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        head = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        self.source: str = head["source"]
        self.census = Census(**head["census"])
        self._files: list[str] = head["files"]
        self._domains: list[str] = head["domains"]
        self.index: npt.NDArray[np.void] = np.load(folder / "index.npy")
        self._ids: Ids = _map(folder / "ids.bin", np.int32)
        self._mask: Mask = _map(folder / "supervised.bin", np.bool_)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> Example:
        offset, length, _, file, line, domain, is_conversation, _ = self.index[number].item()
        return Example(
            ids=self._ids[offset : offset + length],
            supervised=self._mask[offset : offset + length],
            origin=Origin(source=self.source, file=self._files[file], line=line),
            is_conversation=is_conversation,
            domain=self._domains[domain],
        )

    def origin(self, number: int) -> Origin:
        """Return where example `number` came from."""
        row = self.index[number]
        return Origin(source=self.source, file=self._files[row["file"]], line=int(row["line"]))

    def numbers(self, *, held_out: bool) -> npt.NDArray[np.int64]:
        """Return the numbers of the training examples, or of the held-out ones, in reading order."""
        return np.flatnonzero(self.index["held_out"] == held_out)

    def learned(self, token: int) -> tuple[int, int]:
        """Return how often a token is learned, and how many tokens are learned in all; held-out examples included."""
        found = learned = 0
        for start in range(0, len(self._ids), _COUNTED):
            mask = self._mask[start : start + _COUNTED]
            learned += int(np.count_nonzero(mask))
            found += int(np.count_nonzero(mask & (self._ids[start : start + _COUNTED] == token)))
        return found, learned


class _Writer:
    """Appends examples to the files of a store that is being made, a block at a time."""

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, int] = {}
        self.domains: dict[str, int] = {}
        self.blocks: list[npt.NDArray[np.void]] = []
        """Rows of the index."""
        self._waiting: list[tuple[Example, bool]] = []
        self._offset = 0
        self._ids = (folder / "ids.bin").open("wb")
        self._mask = (folder / "supervised.bin").open("wb")

    def append(self, example: Example, *, held_out: bool) -> None:
        self._waiting.append((example, held_out))
        if len(self._waiting) == _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        examples = [example for example, _ in waiting]
        supervised = np.concatenate([example.supervised for example in examples])
        self._ids.write(np.concatenate([example.ids for example in examples]).astype("<i4").data)
        self._mask.write(supervised.data)
        block = np.zeros(len(examples), INDEX)
        lengths = np.array([len(example.ids) for example in examples])
        starts = np.cumsum(lengths) - lengths
        block["offset"] = self._offset + starts
        block["length"] = lengths
        block["targets"] = np.add.reduceat(supervised, starts, dtype=np.int32)
        block["file"] = [self.files.setdefault(e.origin.file, len(self.files)) for e in examples]
        block["line"] = [example.origin.line for example in examples]
        block["domain"] = [self.domains.setdefault(e.domain, len(self.domains)) for e in examples]
        block["is_conversation"] = [example.is_conversation for example in examples]
        block["held_out"] = [held_out for _, held_out in waiting]
        self.blocks.append(block)
        self._offset += len(supervised)

    def close(self) -> None:
        with self._ids, self._mask:
            for file in (self._ids, self._mask):
                file.flush()
                os.fsync(file.fileno())


def build_store(
    folder: Path,
    source: str,
    examples: Iterable[tuple[Example, bool]],
    *,
    census: "CensusTaker",
    needs_probe: bool = True,
) -> ExampleStore:
    """Write all (example, held_out) pairs under `folder` and open the result.

    Examples without a target are counted and left out. With `needs_probe`, one of ten or more examples is
    held out even if no pair says so. Raises StorageError when the disk is full.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    with storage_errors(folder):
        # A killed process may have had the same number and left its folder.
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            index = _write(partial, source, examples, census=census)
            if needs_probe:
                _hold_out_one(index)
            np.save(partial / "index.npy", index)
            settle(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return ExampleStore(folder)


def _write(
    folder: Path, source: str, examples: Iterable[tuple[Example, bool]], *, census: "CensusTaker"
) -> npt.NDArray[np.void]:
    """Write everything but the index, and return it."""
    with closing(_Writer(folder)) as writer:
        for example, held_out in examples:
            if example.num_targets:
                writer.append(example, held_out=held_out)
            else:
                census.without_targets += 1
        writer.flush()
    head = {
        "version": FORMAT_VERSION,
        "source": source,
        "census": asdict(census.taken()),
        "files": list(writer.files),
        "domains": list(writer.domains),
    }
    (folder / "store.json").write_text(json.dumps(head, indent=1), encoding="utf-8")
    return np.concatenate([np.empty(0, INDEX), *writer.blocks])


def settle(partial: Path, folder: Path) -> None:
    """Give a finished folder its name; if another process was first, its equal folder stays.

    A folder of that name that lacks files is what some accident left, and is replaced.
    """
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        if {path.name for path in partial.iterdir()} <= {path.name for path in folder.iterdir()}:
            shutil.rmtree(partial)
        else:
            shutil.rmtree(folder)
            partial.rename(folder)


@contextmanager
def storage_errors(where: Path) -> Iterator[None]:
    """Turn a full disk, or a folder that cannot be written, into one sentence."""
    try:
        yield
    except OSError as error:
        message = f"cannot write: {error.strerror or error}"
        remedy = "Free some space or make the folder writable, or choose another with --runs."
        raise StorageError(message, where=str(where), remedy=remedy) from error


class CensusTaker:
    """Counts while a source is read; `taken()` is the result."""

    def __init__(self) -> None:
        self.records = 0
        self.bad = 0
        self.first_bad = ""
        self.without_targets = 0
        self.straddling = 0
        self.unknown = 0
        self.rewritten = 0
        self.differing = 0
        self.clock = ""

    def taken(self) -> Census:
        """Return the counts so far."""
        return Census(**vars(self))


def _hold_out_one(index: npt.NDArray[np.void]) -> None:
    """Give a small source a probe: if chance held nothing out of ten or more examples, hold out the last."""
    if len(index) >= 10 and not index["held_out"].any():
        index["held_out"][-1] = True


def _map(path: Path, scalar: type[Scalar]) -> npt.NDArray[Scalar]:
    if not path.stat().st_size:
        return np.empty(0, scalar)
    # As a plain array: a slice of a memory map costs six times as much.
    return np.memmap(path, scalar, mode="r").view(np.ndarray)
