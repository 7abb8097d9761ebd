"""Examples go to disk and come back unchanged, or the folder does not exist."""

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.packs.conftest import MakeStore, example
from twosignal.errors import StorageError
from twosignal.packs.store import CensusTaker, ExampleStore, build_store
from twosignal.tokens.example import Example


def test_what_is_stored_comes_back_with_its_origin(make_store: MakeStore) -> None:
    make_store([example([5, 6, 7], "010", line=3), example([8, 9], "01", line=9, is_conversation=False)])
    store = make_store(
        [example([5, 6, 7], "010", line=3), example([8, 9], "01", line=9, is_conversation=False)]
    )
    again = ExampleStore(store.folder)
    assert [list(again[i].ids) for i in range(len(again))] == [[5, 6, 7], [8, 9]]
    assert [list(again[i].supervised) for i in range(2)] == [[False, True, False], [False, True]]
    assert str(again.origin(1)) == "a.jsonl:9"
    assert [again[i].is_conversation for i in range(2)] == [True, False]
    assert list(again.index["targets"]) == [1, 1]


def test_an_example_with_nothing_to_learn_is_counted_and_left_out(make_store: MakeStore) -> None:
    store = make_store([example([1, 2], "00"), example([3, 4], "01")])
    assert len(store) == 1
    assert store.census.without_targets == 1


def test_a_small_source_still_gets_a_probe(make_store: MakeStore) -> None:
    store = make_store([example([i, i + 1], "01") for i in range(10)])
    assert list(store.numbers(held_out=True)) == [9]
    assert len(store.numbers(held_out=False)) == 9


def test_held_out_nothing_is_honoured(tmp_path: Path) -> None:
    pairs = [(example([i, i + 1], "01"), False) for i in range(20)]
    store = build_store(tmp_path / "store", "chat", pairs, census=CensusTaker(), needs_probe=False)
    assert len(store.numbers(held_out=True)) == 0


def test_a_folder_that_lacks_files_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "ids.bin").write_bytes(b"torn")
    store = build_store(tmp_path / "store", "chat", [(example([1, 2], "01"), False)], census=CensusTaker())
    assert list(store[0].ids) == [1, 2]


def test_an_empty_source_is_an_empty_store(make_store: MakeStore) -> None:
    assert len(make_store([])) == 0


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[Example, bool]]:
        yield example([1, 2], "01"), False
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match=r"No space left on device\. Free some space"):
        build_store(tmp_path / "store", "chat", failing(), census=CensusTaker())
    assert list(tmp_path.iterdir()) == []


def test_maps_are_read_only(make_store: MakeStore) -> None:
    store = make_store([example([1, 2], "01")])
    with pytest.raises(ValueError, match="read-only"):
        store[0].ids[0] = 3
    assert isinstance(store[0].ids, np.ndarray)
