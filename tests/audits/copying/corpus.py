"""Small training texts: takes texts or records, gives an index over them; and a slow search to compare with."""

import random
import string
from collections.abc import Sequence
from pathlib import Path

from twosignal.audits.copying import CopyIndex
from twosignal.audits.copying.build import IndexBuilder, build_index
from twosignal.text.conversation import Document, Origin, Record


def document(text: str, *, line: int = 1, file: str = "data.jsonl", source: str = "books") -> Document:
    """A whole document."""
    return Document(text=text, origin=Origin(source=source, file=file, line=line))


def index_of(folder: Path, records: Sequence[Record | str]) -> CopyIndex:
    """An index over records; a string is a document on the line of its number, from 1."""

    def fill(builder: IndexBuilder) -> int:
        for line, record in enumerate(records, 1):
            builder.append(document(record, line=line) if isinstance(record, str) else record)
        return 0

    build_index(folder, fill, key="test")
    return CopyIndex(folder)


def letters(length: int, *, seed: int) -> str:
    """Random letters and blanks: no two stretches of 20 are alike."""
    return "".join(random.Random(seed).choices(string.ascii_letters + " ", k=length))


def longest_from(text: bytes, start: int, corpus: Sequence[bytes]) -> int:
    """Length of the longest stretch of `text` from `start` that stands in the corpus, by Python's own search."""
    low, high = 0, len(text) - start
    while low < high:
        middle = (low + high + 1) // 2
        if any(text[start : start + middle] in one for one in corpus):
            low = middle
        else:
            high = middle - 1
    return low


def outermost_runs(text: bytes, corpus: Sequence[bytes], *, least: int) -> list[tuple[int, int]]:
    """All (start, end) of `least` bytes or more that stand in the corpus and lie in no longer one."""
    found: list[tuple[int, int]] = []
    for start in range(len(text)):
        end = start + longest_from(text, start, corpus)
        if end - start >= least and (not found or end > found[-1][1]):
            found.append((start, end))
    return found
