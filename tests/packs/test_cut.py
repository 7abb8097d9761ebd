"""What happens to conversations longer than a row, with the losses counted by hand."""

import numpy as np
import pytest

from tests.packs.conftest import MakeStore, example
from twosignal.packs.cut import TooLong, cut, whole_turns

# Two answers: tokens 2-3 and 6-7 are learned, eight tokens in all.
LONG = example([1, 2, 3, 4, 5, 6, 7, 8], "00110011")


@pytest.mark.parametrize(
    ("too_long", "pieces", "lost"),
    [
        ("refuse", [(0, 4)], {"conversation longer than a row, later turns cut": 2}),
        ("cut-turns", [(0, 4)], {"conversation longer than a row, later turns cut": 2}),
        ("split", [(0, 6), (6, 2)], {}),
        ("drop", [], {"conversation longer than a row, dropped": 4}),
    ],
)
def test_each_rule_keeps_and_counts_what_it_says(
    make_store: MakeStore, too_long: TooLong, pieces: list[tuple[int, int]], lost: dict[str, int]
) -> None:
    cutting = cut(make_store([LONG]), np.array([0]), 6, too_long=too_long)
    assert [(int(p["start"]), int(p["length"])) for p in cutting.pieces] == pieces
    assert cutting.targets_lost == lost
    assert cutting.tokens_lost == 8 - sum(length for _start, length in pieces)


def test_a_conversation_that_fits_is_left_whole(make_store: MakeStore) -> None:
    cutting = cut(make_store([LONG]), np.array([0]), 8, too_long="refuse")
    assert [(int(p["start"]), int(p["length"])) for p in cutting.pieces] == [(0, 8)]
    assert (cutting.num_cut, cutting.num_dropped, cutting.num_split) == (0, 0, 0)


def test_turns_are_kept_whole() -> None:
    mask = LONG.supervised
    assert [whole_turns(mask, n) for n in (3, 4, 7, 8)] == [0, 4, 4, 8]


def test_a_conversation_learned_throughout_is_cut_at_the_row() -> None:
    assert whole_turns(example([1, 2, 3, 4], "0111").supervised, 3) == 3
