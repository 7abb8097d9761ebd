"""A passage of the training text with what stands around it: takes the bytes and a place, gives an `Excerpt`."""

from dataclasses import dataclass

from twosignal.audits.copying.anchors import Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """A passage of one document."""

    before: str
    """What stands before it, at most as much as was asked for."""
    passage: str
    """The passage."""
    after: str
    """What stands behind it, at most as much as was asked for."""
    is_beginning: bool
    """Whether `before` reaches back to the beginning of the document."""
    is_end: bool
    """Whether `after` reaches to the end of the document."""


def cut_out(text: Bytes, passage: range, *, document: range, around: int) -> Excerpt:
    """Return bytes `passage` of `text` with `around` bytes on either side, all within `document`."""
    first = max(document.start, passage.start - around)
    stop = min(document.stop, passage.stop + around)
    return Excerpt(
        before=_decoded(text[first : passage.start]),
        passage=_decoded(text[passage.start : passage.stop]),
        after=_decoded(text[passage.stop : stop]),
        is_beginning=first == document.start,
        is_end=stop == document.stop,
    )


def _decoded(part: Bytes) -> str:
    """Return bytes as text; a character that was cut in two at an edge is left out."""
    return part.tobytes().decode("utf-8", "ignore")
