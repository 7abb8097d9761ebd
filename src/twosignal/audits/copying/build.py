"""How an index is made: takes the readings of a source, one by one, gives a finished index folder.

One pass: the texts go to disk as they come, the anchors' hashes into 64 files by their first bits; then each
of these is sorted alone. Memory is a block of text, 64 buffers, one 64th of the anchors, and 20 bytes for
every document.
"""

import json
import os
import shutil
from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from twosignal.audits.copying.anchors import SEPARATOR, STRIDE, hash_windows, within_one_text
from twosignal.audits.copying.folder import CHECK_BITS, DOCUMENT, HEAD, PARTS, Head, IndexedFile, is_index
from twosignal.errors import InputError
from twosignal.packs.store import storage_errors
from twosignal.text.conversation import Conversation, Document, Record
from twosignal.text.paths import TEXT_SUFFIXES

Decode = Callable[[Sequence[int]], str]

BLOCK_BYTES: Final = 1 << 22
"""Text held in memory before its anchors are taken."""
PART_BITS: Final = 6
"""Hashes are sorted in 2**6 parts."""
BUCKET_ENTRIES: Final = 4
"""Most entries of a bucket, on average."""
MAX_ANCHORS: Final = 2**32
_SEPARATOR: Final = bytes([SEPARATOR])
_ENTRY: Final = np.dtype([("hash", "<u8"), ("anchor", "<u4")])


class IndexBuilder:
    """Takes records in order and writes the index; used by `build_index`."""

    def __init__(self, partial: Path, stack: ExitStack) -> None:
        self._partial = partial
        self._text = stack.enter_context((partial / "text.bin").open("wb"))
        self._parts: list[BinaryIO] = [
            stack.enter_context((partial / f"hashes.{part}").open("w+b")) for part in range(1 << PART_BITS)
        ]
        self._held = bytearray()
        self._next_anchor = 0
        self._size = 0
        self._num_entries = 0
        self._starts = array("q")
        self._rows = array("I")
        self._files: dict[tuple[str, str], int] = {}
        self._numbers: dict[str, int] = {}
        self._last: tuple[str, str] | None = None

    def append(self, record: Record, *, decode: Decode | None = None) -> None:
        """Add one record; `decode` gives the text of records that came as token ids only."""
        text = _SEPARATOR.join(
            one.encode("utf-8", "surrogatepass") for one in texts_of(record, decode=decode)
        )
        origin = record.origin
        place = (origin.source, origin.file)
        number = self._numbers[origin.source] = self._numbers.get(origin.source, 0) + 1
        goes_on = isinstance(record, Document) and not record.is_start and self._last == place
        if self._size and not goes_on:
            self._held += _SEPARATOR
            self._size += 1
        self._starts.append(self._size)
        self._rows.extend((self._files.setdefault(place, len(self._files)), origin.line, number))
        self._held += text
        self._size += len(text)
        self._last = place
        if len(self._held) >= BLOCK_BYTES:
            self._take_anchors()

    def skip(self, source: str) -> None:
        """Count a record that is not trained on: the next piece of its file does not go on from the last."""
        self._numbers[source] = self._numbers.get(source, 0) + 1
        self._last = None

    def finish(self, *, key: str, skipped: int) -> Head:
        """Write everything that is not yet on disk, the head last."""
        self._take_anchors()
        self._text.write(self._held)
        bits = PART_BITS
        while self._num_entries > BUCKET_ENTRIES << bits:
            bits += 1
        sizes = {
            "text": self._size,
            "starts": len(self._starts),
            "documents": len(self._starts),
            "directory": (1 << bits) + 1,
            "checks": self._num_entries,
            "anchors": self._num_entries,
        }
        self._sort_entries(bits)
        np.frombuffer(self._starts, np.int64).astype("<i8").tofile(self._partial / "starts.bin")
        rows = np.frombuffer(self._rows, np.uint32).astype("<u4")
        rows.view(DOCUMENT).tofile(self._partial / "documents.bin")
        head = Head(
            key=key,
            bits=bits,
            num_documents=len(self._starts),
            num_bytes=self._size,
            sizes=sizes,
            skipped=skipped,
            files=tuple(
                IndexedFile(source=source, path=path, has_lines=_has_lines(path))
                for source, path in self._files
            ),
        )
        (self._partial / HEAD).write_text(json.dumps(head.as_dict()), encoding="utf-8")
        return head

    def _take_anchors(self) -> None:
        """Write the held text but its end, and sort the hashes of its anchors into the parts."""
        base = self._size - len(self._held)
        first = self._next_anchor * STRIDE - base
        text = np.frombuffer(bytes(self._held), np.uint8)[first:]
        hashes = hash_windows(text, stride=STRIDE)
        if not len(hashes):
            return
        if self._next_anchor + len(hashes) > MAX_ANCHORS:
            message = f"more than {MAX_ANCHORS * STRIDE // 10**9} GB of text do not fit into one copy index"
            raise InputError(message, remedy="Make one for each part of it.")
        kept = np.flatnonzero(within_one_text(text, stride=STRIDE))
        entries = np.empty(len(kept), _ENTRY)
        entries["hash"] = hashes[kept]
        entries["anchor"] = kept + self._next_anchor
        parts = (entries["hash"] >> np.uint64(64 - PART_BITS)).astype(np.uint8)
        entries = entries[np.argsort(parts, kind="stable")]
        ends = np.cumsum(np.bincount(parts, minlength=1 << PART_BITS))
        for file, end, begin in zip(self._parts, ends, [0, *ends[:-1]], strict=True):
            file.write(entries[begin:end].tobytes())
        self._num_entries += len(entries)
        self._next_anchor += len(hashes)
        taken = self._next_anchor * STRIDE - base
        self._text.write(self._held[:taken])
        del self._held[:taken]

    def _sort_entries(self, bits: int) -> None:
        """Write directory, checks and anchors from the parts, in the order of the hashes; delete the parts."""
        counts = [np.zeros(1, np.int64)]
        shift = np.uint64(64 - bits)
        check_shift = np.uint64(64 - bits - CHECK_BITS)
        with (
            (self._partial / "checks.bin").open("wb") as checks,
            (self._partial / "anchors.bin").open("wb") as anchors,
        ):
            for number, part in enumerate(self._parts):
                part.flush()
                part.seek(0)
                entries = np.frombuffer(part.read(), _ENTRY)
                # A stable order: of equal windows the first in the text stands first.
                entries = entries[np.argsort(entries["hash"], kind="stable")]
                in_part = (entries["hash"] >> shift).astype(np.int64) - (number << (bits - PART_BITS))
                counts.append(np.bincount(in_part, minlength=1 << (bits - PART_BITS)))
                checks.write((entries["hash"] >> check_shift).astype(PARTS["checks"]).tobytes())
                anchors.write(entries["anchor"].tobytes())
                Path(part.name).unlink()
        directory = np.cumsum(np.concatenate(counts))
        directory.astype(PARTS["directory"]).tofile(self._partial / "directory.bin")


def build_index(
    folder: Path,
    fill: Callable[[IndexBuilder], int],
    *,
    key: str,
) -> Head:
    """Make the index `folder` and return what it says of itself.

    `fill` appends all records and returns how many malformed ones were left out. An index that stood at `folder`
    before is replaced when the new one is whole; anything else there is refused. Raises StorageError when the disk is full.
    """
    if folder.exists() and not is_index(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            "something else is in the way of the index",
            where=str(folder),
            expected="a copy index, an empty folder, or nothing",
            remedy="Choose another name.",
        )
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    with storage_errors(folder):
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            with ExitStack() as stack:
                builder = IndexBuilder(partial, stack)
                skipped = fill(builder)
                head = builder.finish(key=key, skipped=skipped)
            _settle(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return head


def texts_of(record: Record, *, decode: Decode | None = None) -> list[str]:
    """Return what a model may have learned of a record: contents, reasoning, and the arguments of calls."""
    if isinstance(record, Document):
        return [record.text]
    if isinstance(record, Conversation) or record.messages or decode is None:
        contents = [message.content for message in record.messages if message.content]
        reasoning = [message.reasoning for message in record.messages if message.reasoning]
        calls = [call.arguments for message in record.messages for call in message.tool_calls]
        return [*contents, *reasoning, *calls]
    return [decode(record.ids)]


def _has_lines(path: str) -> bool:
    # The text of built-in sources is cut from files elsewhere, with lines put between.
    suffix = Path(path.removesuffix(".gz")).suffix.lower()
    return suffix in TEXT_SUFFIXES and not path.startswith(("python:", "builtin:"))


def _settle(partial: Path, folder: Path) -> None:
    """Wait for the disk, then give a finished index its name; one that stood there before goes."""
    for path in partial.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        folder.rename(old)
    try:
        partial.rename(folder)
    except OSError:
        # Another process may have made the same index meanwhile.
        if not is_index(folder):
            raise
    shutil.rmtree(old, ignore_errors=True)
