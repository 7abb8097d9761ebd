"""Targets are aligned once: rows written out by hand."""

import numpy as np
import pytest

from tests.packs.conftest import MakeStore, example
from twosignal.packs.cut import cut
from twosignal.packs.pack import NO_TARGET, Pack, lay_row
from twosignal.packs.stream import RowStream

_ = NO_TARGET


def test_the_target_of_a_token_is_its_supervised_successor() -> None:
    row = lay_row("chat", [(0, 0, 5, example([10, 11, 12, 13, 14], "00110"))])
    assert list(row.targets) == [_, 12, 13, _, _]


def test_the_last_token_has_no_target_and_borders_have_none() -> None:
    a, b = example([10, 11, 12], "011"), example([20, 21], "01")
    row = lay_row("chat", [(0, 0, 3, a), (1, 0, 2, b)])
    assert list(row.ids) == [10, 11, 12, 20, 21]
    assert list(row.targets) == [11, 12, _, 21, _]
    assert list(row.positions) == [0, 1, 2, 0, 1]
    assert row.lengths == [3, 2]
    assert row.num_targets == 3


def test_a_split_document_keeps_the_target_across_the_cut(make_store: MakeStore) -> None:
    store = make_store([example([1, 2, 3, 4, 5], "01111", is_conversation=False)])
    cutting = cut(store, np.array([0]), 2, too_long="refuse")
    stream = RowStream(store, cutting, row_tokens=2, seed=0)
    rows = sorted((list(r.ids), list(r.targets)) for r in (stream.draw() for _i in range(3)))
    assert rows == [([1, 2], [2, 3]), ([3, 4], [4, 5]), ([5], [_])]
    assert cutting.targets_lost == {}


def test_a_row_whose_parts_do_not_add_up_cannot_be_made() -> None:
    row = lay_row("chat", [(0, 0, 2, example([1, 2], "01"))])
    with pytest.raises(ValueError, match="row of chat: 1 ids"):
        Pack(
            source="chat",
            ids=row.ids[:1],
            targets=row.targets,
            positions=row.positions,
            segments=row.segments,
        )
