"""Rows come epoch after epoch, and go on after a restart as if nothing had happened."""

import numpy as np

from tests.packs.conftest import MakeStore, example
from twosignal.packs.cut import cut
from twosignal.packs.stream import RowStream


def stream(make_store: MakeStore) -> RowStream:
    store = make_store([example([i, i + 1, i + 2], "011", line=i) for i in range(1, 24)])
    cutting = cut(store, store.numbers(held_out=False), 9, too_long="refuse")
    return RowStream(store, cutting, row_tokens=9, seed=4)


def test_an_epoch_holds_every_token_once(make_store: MakeStore) -> None:
    rows = stream(make_store)
    drawn = [rows.draw() for _ in range(len(rows.plan))]
    firsts = sorted(int(pack.ids[at]) for pack in drawn for at in range(0, len(pack.ids), 3))
    assert firsts == list(range(1, 23))
    assert rows.cursor == {"epoch": 0, "row": len(rows.plan)}


def test_the_next_epoch_is_shuffled_anew(make_store: MakeStore) -> None:
    rows = stream(make_store)
    epochs = [[tuple(rows.draw().ids) for _ in range(len(rows.plan))] for _epoch in range(2)]
    assert epochs[0] != epochs[1]
    assert rows.cursor["epoch"] == 1


def test_a_restored_stream_goes_on_in_the_middle_of_a_later_epoch(make_store: MakeStore) -> None:
    rows = stream(make_store)
    for _ in range(len(rows.plan) + 3):
        rows.draw()
    cursor = rows.cursor
    expected = [rows.draw() for _ in range(12)]
    fresh = stream(make_store)
    fresh.restore(cursor)
    again = [fresh.draw() for _ in range(12)]
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(expected, again, strict=True))
