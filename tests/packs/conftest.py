"""Stores made of hand-written examples."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from twosignal.packs.store import CensusTaker, ExampleStore, build_store
from twosignal.text.conversation import Origin
from twosignal.tokens.example import Example

MakeStore = Callable[[Sequence[Example]], ExampleStore]


def example(ids: Sequence[int], mask: str, *, line: int = 1, is_conversation: bool = True) -> Example:
    """Return an example; `mask` has a 1 for every supervised token."""
    return Example(
        ids=np.array(ids, np.int32),
        supervised=np.array([c == "1" for c in mask]),
        origin=Origin(source="chat", file="a.jsonl", line=line),
        is_conversation=is_conversation,
        domain="d",
    )


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    def make(examples: Sequence[Example], held_out: Sequence[bool] = ()) -> ExampleStore:
        flags = list(held_out) or [False] * len(examples)
        pairs = zip(examples, flags, strict=True)
        return build_store(tmp_path / "store", "chat", pairs, census=CensusTaker())

    return make
