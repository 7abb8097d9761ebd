"""Where a text was copied from: takes a text and an index, gives its `Match`es with file and line, and a verdict."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from twosignal.audits.copying.index import CopyIndex, Run
from twosignal.audits.copying.verdict import (
    MEMORIZED_BYTES,
    SUSPECT_BYTES,
    SUSPECT_TOKENS,
    CopyVerdict,
    decide,
    says_something,
    zlib_ratio,
)
from twosignal.audits.tiers import ALERT_LOSS

CountTokens = Callable[[str], int]

BYTES_PER_TOKEN: Final = 4
"""Of an ordinary tokenizer, where the text's own is not known."""
RECORDED_MATCHES: Final = 3
"""Matches of a sample that its record keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A run of a text that stands in the training text."""

    start: int
    """First character in the text."""
    end: int
    """Behind its last character."""
    bytes: int
    """Length in UTF-8."""
    tokens: int
    """Length in tokens: counted where there is a tokenizer, else a quarter of the bytes."""
    source: str
    """Name of the source it stands in."""
    document: int
    """Number of the record in its source, from 1."""
    file: str
    """File it stands in, as the user named it."""
    line: int
    """Line of the file on which its first word stands, from 1; of a record, the record's."""
    occurrences: int
    """About how often it stands in the training text; the first place is given."""
    repetitive: bool
    """It is one thing over and over, and no evidence of copying."""
    text: str
    """The run itself: text[start:end]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What of a text was copied."""

    matches: tuple[Match, ...]
    """In order; none lies inside another."""
    zlib_ratio: float
    """Bytes per compressed byte of the whole text."""
    verdict: CopyVerdict
    """See `verdict.py`."""

    @property
    def longest(self) -> Match | None:
        """The longest match that says something."""
        return max((m for m in self.matches if not m.repetitive), key=lambda m: m.bytes, default=None)

    @property
    def longest_tokens(self) -> int:
        """Its tokens, or 0."""
        return 0 if self.longest is None else self.longest.tokens

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, as `trace --json` prints them."""
        return self._figures() | {"matches": [asdict(match) for match in self.matches]}

    def recorded(self) -> dict[str, Any]:
        """Return what a sample's record keeps: the three longest matches, longest first, without their text."""
        kept = sorted(self.matches, key=lambda match: -match.bytes)[:RECORDED_MATCHES]
        plain = [{name: value for name, value in asdict(match).items() if name != "text"} for match in kept]
        return self._figures() | {"matches": plain}

    def _figures(self) -> dict[str, Any]:
        return {
            "num_matches": len(self.matches),
            "longest_tokens": self.longest_tokens,
            "longest_bytes": 0 if self.longest is None else self.longest.bytes,
            "zlib_ratio": round(self.zlib_ratio, 3),
            "verdict": self.verdict,
        }


def trace(
    index: CopyIndex,
    text: str,
    *,
    count_tokens: CountTokens | None = None,
    loss: float | None = None,
    alert: float = ALERT_LOSS,
) -> Trace:
    """Return the runs of `text` that stand in the index, of 20 tokens or of 100 bytes on, and what they mean.

    `loss` is that of the text under the model that wrote it, nats per token; below `alert` it asks for a reason.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    found = (_match(index, run, encoded=encoded, count_tokens=count_tokens) for run in index.runs(encoded))
    matches = tuple(
        match
        for match in found
        if match.bytes >= MEMORIZED_BYTES or (match.tokens >= SUSPECT_TOKENS and match.bytes >= SUSPECT_BYTES)
    )
    ratio = zlib_ratio(encoded)
    traced = Trace(matches=matches, zlib_ratio=ratio, verdict="novel")
    verdict = decide(
        ratio,
        longest_tokens=traced.longest_tokens,
        longest_bytes=0 if traced.longest is None else traced.longest.bytes,
        loss=loss,
        alert=alert,
    )
    return Trace(matches=matches, zlib_ratio=ratio, verdict=verdict)


def _match(index: CopyIndex, run: Run, *, encoded: bytes, count_tokens: CountTokens | None) -> Match:
    start, end = run.start, run.end
    # A run may begin or end inside a character whose other bytes differ.
    while start < end and encoded[start] & 0xC0 == 0x80:
        start += 1
    while start < end < len(encoded) and encoded[end] & 0xC0 == 0x80:
        end -= 1
    part = encoded[start:end]
    text = part.decode("utf-8", "surrogatepass")
    before = len(encoded[:start].decode("utf-8", "surrogatepass"))
    blanks = len(part) - len(part.lstrip())
    origin, number = index.origin(run.place + start - run.start + blanks)
    return Match(
        start=before,
        end=before + len(text),
        bytes=len(part),
        tokens=count_tokens(text) if count_tokens else len(part) // BYTES_PER_TOKEN,
        source=origin.source,
        document=number,
        file=origin.file,
        line=origin.line,
        occurrences=run.occurrences,
        repetitive=not says_something(part),
        text=text,
    )
