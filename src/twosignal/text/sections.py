"""Files of running text: takes a text file, gives its pieces: sections, lines, paragraphs, or the whole.

Everything but "files" is streamed. Offsets count characters after newlines were made "\\n" and a byte
order mark was dropped, so that the sections of a file, joined, are exactly its text.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TextIO

from twosignal.text.paths import InputFile
from twosignal.text.readers import named_errors, open_bytes

Cut = Literal["sections", "files", "lines", "paragraphs"]

SECTION_CHARACTERS = 16_000
_CHUNK_CHARACTERS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a text file."""

    text: str
    start: int
    """Offset of its first character in the file, in characters."""
    line: int
    """Line of its first character, from 1."""
    is_start: bool = True
    """It begins its document."""
    is_end: bool = True
    """It ends its document."""

    @property
    def end(self) -> int:
        """Offset after its last character, in characters."""
        return self.start + len(self.text)

    def divided(self, at: int) -> tuple["Piece", ...]:
        """Return the piece cut at an offset of the file: two pieces where the offset lies inside, else itself."""
        if not self.start < at < self.end:
            return (self,)
        head, tail = self.text[: at - self.start], self.text[at - self.start :]
        return (
            replace(self, text=head, is_end=False),
            replace(self, text=tail, start=at, line=self.line + head.count("\n"), is_start=False),
        )


def read_pieces(file: InputFile, cut: Cut) -> Iterator[Piece]:
    """Yield the pieces of a text file in order; blank lines and blank files give none.

    sections: about 16,000 characters, cut after a blank line, else after a line, else anywhere;
    lines and paragraphs: without the newlines around them. Raises SourceError where the file cannot be read.
    """
    with named_errors(file), _open_text(file) as stream:
        if cut == "sections":
            yield from _sections(stream)
        elif cut == "lines":
            yield from _lines(stream)
        elif cut == "paragraphs":
            yield from _paragraphs(stream)
        else:
            text = stream.read()
            if text.strip():
                yield Piece(text=text, start=0, line=1)


def count_characters(file: InputFile) -> int:
    """Return the length of a text file in characters."""
    with named_errors(file), _open_text(file) as stream:
        return sum(len(chunk) for chunk in iter(lambda: stream.read(_CHUNK_CHARACTERS), ""))


def _open_text(file: InputFile) -> TextIO:
    return io.TextIOWrapper(open_bytes(file), encoding="utf-8-sig", newline=None)


def _sections(stream: TextIO) -> Iterator[Piece]:
    held, start, line = "", 0, 1
    # Up to a quarter more than a section is kept whole, so that no file ends in a scrap.
    while chunk := stream.read(_CHUNK_CHARACTERS):
        held += chunk
        taken = 0
        while len(held) - taken > SECTION_CHARACTERS + SECTION_CHARACTERS // 4:
            end = _cut_after(held, taken)
            text = held[taken:end]
            yield Piece(text=text, start=start, line=line, is_start=start == 0, is_end=False)
            start, line, taken = start + len(text), line + text.count("\n"), end
        held = held[taken:]
    if held.strip() or start:
        yield Piece(text=held, start=start, line=line, is_start=start == 0)


def _cut_after(text: str, begin: int) -> int:
    """Return where the section that begins at `begin` ends: in its second half, at the best break there is."""
    least, most = begin + SECTION_CHARACTERS // 2, begin + SECTION_CHARACTERS
    for mark in ("\n\n", "\n"):
        found = text.rfind(mark, least, most)
        if found >= 0:
            return found + len(mark)
    return most


def _lines(stream: TextIO) -> Iterator[Piece]:
    start = 0
    for number, line in enumerate(stream, 1):
        if line.strip():
            yield Piece(text=line.removesuffix("\n"), start=start, line=number)
        start += len(line)


def _paragraphs(stream: TextIO) -> Iterator[Piece]:
    held: list[str] = []
    start = first = offset = 0
    for number, line in enumerate(stream, 1):
        if line.strip():
            if not held:
                start, first = offset, number
            held.append(line)
        elif held:
            yield Piece(text="".join(held).removesuffix("\n"), start=start, line=first)
            held = []
        offset += len(line)
    if held:
        yield Piece(text="".join(held).removesuffix("\n"), start=start, line=first)
