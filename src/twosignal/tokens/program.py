"""How a chat of one shape is written: takes the parts of a layout, gives control tokens and runs of text to fill in."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from twosignal.tokens.draft import Draft, Fixed, Segment
from twosignal.tokens.layout import Part, Slot
from twosignal.tokens.tokenizer import Control, Tokenizer

_SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_SPACES += "\u2028\u2029\u202f\u205f\u3000"
"""White space as the tokenizers library sees it; Python counts four control characters besides."""


class Run(NamedTuple):
    """Scaffold and slots between two control tokens."""

    parts: tuple[Part, ...]
    is_start: bool
    strip_left: bool
    strip_right: bool

    def segment(self, filled: Mapping[Slot, str]) -> Segment:
        """Return the text with its slots filled and its stretches merged; the text may be empty."""
        pieces: list[str] = []
        stretches: list[tuple[int, bool]] = []
        length = 0
        for part in self.parts:
            piece = part.scaffold if part.slot is None else filled[part.slot]
            if not piece:
                continue
            pieces.append(piece)
            length += len(piece)
            if stretches and stretches[-1][1] == part.supervised:
                stretches.pop()
            stretches.append((length, part.supervised))
        segment = Segment("".join(pieces), self.is_start, tuple(stretches))
        return self._strip(segment) if self.strip_left or self.strip_right else segment

    def _strip(self, segment: Segment) -> Segment:
        """Return the segment without the white space that the control tokens beside it swallow."""
        text = segment.text.rstrip(_SPACES) if self.strip_right else segment.text
        lost = len(text) - len(text.lstrip(_SPACES)) if self.strip_left else 0
        text = text[lost:]
        stretches: list[tuple[int, bool]] = []
        start = 0
        for end, supervised in segment.stretches:
            moved = min(max(end - lost, 0), len(text))
            if moved > start:
                stretches.append((moved, supervised))
                start = moved
        return Segment(text, self.is_start, tuple(stretches))

    def fixed(self, tokenizer: Tokenizer) -> "Sequence[Fixed | Run]":
        """Return the run as set tokens if nothing is to be filled in, else the run itself."""
        if any(part.slot for part in self.parts):
            return (self,)
        text, is_start, stretches = self.segment({})
        if len(stretches) != 1:
            return (self,)
        (ids,) = tokenizer.encode_batch([text], is_start=is_start)
        return [Fixed(index, stretches[0][1]) for index in ids]


Program = tuple[Fixed | Run, ...]


def compile_parts(tokenizer: Tokenizer, parts: Sequence[Part]) -> Program:
    """Return the parts with the control tokens of the scaffold set apart from all text."""
    items: list[Control | Part] = []
    flags: list[bool] = []
    for part in parts:
        bits = [part] if part.slot else tokenizer.split_controls(part.scaffold)
        for bit in bits:
            items.append(part._replace(scaffold=bit) if isinstance(bit, str) else bit)
            flags.append(part.supervised)
    program: list[Fixed | Run] = []
    run: list[Part] = []
    before: Control | None = None
    for item, supervised in zip(items, flags, strict=True):
        if isinstance(item, Part):
            run.append(item)
            continue
        if run:
            program.append(_run(run, before=before, after=item))
            run = []
        program.append(Fixed(item.id, supervised))
        before = item
    if run:
        program.append(_run(run, before=before, after=None))
    return tuple(program)


def _run(parts: Sequence[Part], *, before: Control | None, after: Control | None) -> Run:
    return Run(
        tuple(parts),
        is_start=before is None,
        strip_left=before is not None and before.takes_right,
        strip_right=after is not None and after.takes_left,
    )


def settle_program(tokenizer: Tokenizer, program: Program) -> Program:
    """Return the program with the text that is always the same encoded once and for all."""
    settled: list[Fixed | Run] = []
    for item in program:
        settled.extend((item,) if isinstance(item, Fixed) else item.fixed(tokenizer))
    return tuple(settled)


def control_ids(tokenizer: Tokenizer, program: Program) -> list[int]:
    """Return the control tokens of a program, in order."""
    return [item.id for item in program if isinstance(item, Fixed) and item.id in tokenizer.control_ids]


def fill_program(program: Program, filled: Mapping[Slot, str]) -> Draft:
    """Return the draft of one chat from what stands in its slots."""
    items: list[Fixed | Segment] = []
    for item in program:
        if isinstance(item, Fixed):
            items.append(item)
        elif (segment := item.segment(filled)).text:
            items.append(segment)
    return Draft(items)
