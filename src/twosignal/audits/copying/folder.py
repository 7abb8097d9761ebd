"""What an index is on disk: takes its folder, gives its files as arrays, most in memory maps; or says what is wrong.

    index.json         format, version, key, sizes, counts, and the files with their sources
    text.bin           the training texts, UTF-8, a byte 0xFF between two
    starts.bin         where each document begins in text.bin, int64
    documents.bin      DOCUMENT rows: from which file, at which line, which record
    directory.bin      uint32: bucket b of the hashes is entries directory[b] to directory[b + 1]
    checks.bin         uint16 per entry: the bits of its hash below the bucket's, ascending in a bucket
    anchors.bin        uint32 per entry: number of the anchor, which begins at 19 times that number

Nothing in it is ever executed, and a folder without index.json is no index: that file is written last, in a
folder that gets its name when it is whole.
"""

import json
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twosignal.audits.copying.anchors import STRIDE, WINDOW
from twosignal.errors import InputError

FORMAT: Final = "twosignal copy index"
VERSION: Final = 1
HEAD: Final = "index.json"
CHECK_BITS: Final = 16
IN_MEMORY_BYTES: Final = 1 << 30
"""Directory and checks up to this size are read at once: every lookup touches both at places that lie far apart."""
DOCUMENT: Final = np.dtype([("file", "<u4"), ("line", "<u4"), ("number", "<u4")])
"""`file` counts the files of index.json from 0, `number` the records of the source from 1."""
PARTS: Final[dict[str, np.dtype[Any]]] = {
    "text": np.dtype(np.uint8),
    "starts": np.dtype("<i8"),
    "documents": DOCUMENT,
    "directory": np.dtype("<u4"),
    "checks": np.dtype("<u2"),
    "anchors": np.dtype("<u4"),
}
"""Files of an index beside its head, and what they hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedFile:
    """One file of training text."""

    source: str
    """Name of the source it belongs to."""
    path: str
    """As the user gave it."""
    has_lines: bool
    """Lines of its documents are lines of the file, as in running text; else a record is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What index.json says."""

    key: str
    """Hash of everything the index was made from."""
    bits: int
    """Bits of a hash that choose its bucket."""
    num_documents: int
    num_bytes: int
    """Bytes of training text, with what separates texts."""
    sizes: Mapping[str, int]
    """Entries of each part."""
    skipped: int
    """Malformed records left out."""
    files: tuple[IndexedFile, ...]
    """In order of first appearance."""

    def as_dict(self) -> dict[str, Any]:
        """Return the head as plain JSON values."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "window": WINDOW,
            "stride": STRIDE,
            "key": self.key,
            "bits": self.bits,
            "documents": self.num_documents,
            "bytes": self.num_bytes,
            "sizes": dict(self.sizes),
            "skipped": self.skipped,
            "files": [[file.source, file.path, file.has_lines] for file in self.files],
        }


def is_index(folder: Path) -> bool:
    """Return whether a folder is, or once was, a copy index."""
    try:
        return bool(json.loads((folder / HEAD).read_text(encoding="utf-8"))["format"] == FORMAT)
    except (OSError, ValueError, TypeError, KeyError):
        return False


def read_head(folder: Path) -> Head:
    """Return what an index says of itself; raise InputError where it is none, damaged, or of another version."""
    remedy = "Build it anew with twosignal index PATH... --out INDEX."
    try:
        found = json.loads((folder / HEAD).read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"there is no copy index: {HEAD}: {reason.lower()}"
        raise InputError(message, where=str(folder), remedy=remedy) from error
    except ValueError as error:
        raise InputError(f"{HEAD} is damaged", where=str(folder), found=str(error), remedy=remedy) from error
    kind = _kind(found)
    if kind != [FORMAT, VERSION, WINDOW, STRIDE]:
        expected = f"{FORMAT}, version {VERSION}"
        raise InputError(
            "not a copy index of this version",
            where=str(folder / HEAD),
            found=" ".join(map(str, kind)),
            expected=expected,
            remedy=remedy,
        )
    try:
        return Head(
            key=str(found["key"]),
            bits=int(found["bits"]),
            num_documents=int(found["documents"]),
            num_bytes=int(found["bytes"]),
            sizes={name: int(found["sizes"][name]) for name in PARTS},
            skipped=int(found["skipped"]),
            files=tuple(
                IndexedFile(source=str(source), path=str(path), has_lines=bool(has_lines))
                for source, path, has_lines in found["files"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"{HEAD} lacks something: {error}"
        raise InputError(message, where=str(folder), remedy=remedy) from error


def map_part(folder: Path, name: str, size: int) -> npt.NDArray[Any]:
    """Return one part as an array of `size` entries; the large ones are read from disk where they are touched.

    Raises InputError where the file is missing or of another size.
    """
    path, dtype = folder / f"{name}.bin", PARTS[name]
    remedy = "Build the index anew with twosignal index PATH... --out INDEX."
    try:
        length = path.stat().st_size
        if length != size * dtype.itemsize:
            raise InputError(
                "a part of the copy index is damaged",
                where=str(path),
                found=f"{length:,} bytes",
                expected=f"{size * dtype.itemsize:,}",
                remedy=remedy,
            )
        if not length:
            return np.empty(0, dtype)
        if name in ("directory", "checks") and length <= IN_MEMORY_BYTES:
            return np.fromfile(path, dtype)
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        message = f"a part of the copy index cannot be read: {error.strerror or error}"
        raise InputError(message, where=str(path), remedy=remedy) from error
    return np.frombuffer(mapped, dtype)


def _kind(found: object) -> list[object]:
    if not isinstance(found, dict):
        return [type(found).__name__]
    return [found.get(name) for name in ("format", "version", "window", "stride")]
