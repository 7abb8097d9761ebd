"""An example read back: takes its ids and mask, gives runs of text that say what they are."""

from itertools import groupby
from typing import NamedTuple

from twosignal.tokens.example import Example
from twosignal.tokens.tokenizer import Tokenizer


class Span(NamedTuple):
    """Neighbouring tokens of one kind, as text."""

    text: str
    is_supervised: bool
    """The model learns to write it."""
    is_control: bool
    """A control token, written out."""


def spans_of(tokenizer: Tokenizer, example: Example) -> list[Span]:
    """Return the example's text in order; every control token is a span of its own."""
    texts = {control.id: control.text for control in tokenizer.controls.values()}
    tokens = zip(example.ids.tolist(), example.supervised.tolist(), strict=True)
    spans: list[Span] = []
    for (is_control, is_supervised), run in groupby(tokens, key=lambda t: (t[0] in texts, t[1])):
        ids = [index for index, _ in run]
        if is_control:
            spans += [Span(texts[index], is_supervised, is_control=True) for index in ids]
        else:
            spans.append(Span(tokenizer.decode_within(ids), is_supervised, is_control=False))
    return spans
