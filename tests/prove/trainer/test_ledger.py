"""What became of conversations is counted by hand, and batches are cut where the model is told that texts begin."""

import numpy as np
import torch

from twosignal.prove.trainer.batches import Piece, pieces_of
from twosignal.prove.trainer.ledger import Fate, Whole, follow

IDS = ((1, 2, 3, 4), (5, 6, 7), (8, 9))
WHOLES = [Whole(ids=ids, learned=(False,) + (True,) * (len(ids) - 1)) for ids in IDS]


def piece(*ids: int) -> Piece:
    return Piece(row=0, start=0, ids=np.array(ids, np.int64), labels=np.array(ids, np.int64))


def fate(*pieces: Piece) -> Fate:
    return follow(WHOLES, pieces)


def test_all_are_there() -> None:
    found = fate(piece(8, 9), piece(5, 6, 7), piece(1, 2, 3, 4))
    assert (found.whole, found.cut, found.missing, found.doubled) == (3, 0, 0, 0)
    assert (found.targets, sum(found.targets_lost.values())) == (6, 0)


def test_a_cut_one_loses_its_last_targets() -> None:
    found = fate(piece(8, 9), piece(5, 6, 7), piece(1, 2))
    assert (found.whole, found.cut) == (2, 1)
    assert dict(found.targets_lost) == {"the window ends before them": 2}


def test_a_missing_one_and_a_double_are_told_apart_though_the_count_is_right() -> None:
    found = fate(piece(8, 9), piece(8, 9), piece(1, 2, 3, 4))
    assert (found.whole, found.missing) == (2, 1)
    assert found.strange + found.doubled == 1
    assert dict(found.targets_lost) == {"their conversation is left out": 2}


def test_the_rest_of_a_split_one_is_a_fragment() -> None:
    found = fate(piece(8, 9), piece(5, 6, 7), piece(1, 2), piece(3, 4))
    assert (found.cut, found.fragments) == (1, 1)


def test_lost_labels_are_counted() -> None:
    bare = Piece(row=0, start=0, ids=np.array([5, 6, 7]), labels=np.full(3, -100))
    found = fate(piece(8, 9), bare, piece(1, 2, 3, 4))
    assert dict(found.targets_lost) == {"no longer learned": 2}


def cut(**batch: object) -> list[list[int]]:
    ids = torch.tensor([[11, 12, 13, 14, 15, 0]])
    return [
        p.ids.tolist()
        for p in pieces_of({"input_ids": ids, "labels": ids.masked_fill(ids == 0, -100), **batch}, pad_id=0)
    ]


def test_boundaries_come_from_what_the_model_is_told() -> None:
    assert cut() == [[11, 12, 13, 14, 15, 0]]
    assert cut(attention_mask=torch.tensor([[1, 1, 1, 1, 1, 0]])) == [[11, 12, 13, 14, 15]]
    assert cut(attention_mask=torch.tensor([[1, 1, 2, 2, 2, 0]])) == [[11, 12], [13, 14, 15]]
    assert cut(position_ids=torch.tensor([[0, 1, 0, 1, 2, 0]])) == [[11, 12], [13, 14, 15]]
    assert cut(position_ids=torch.tensor([[0, 0, 1, 2, 3, 0]])) == [[11], [12, 13, 14, 15]]
    assert cut(cu_seq_lens_q=torch.tensor([0, 2, 5, 6])) == [[11, 12], [13, 14, 15]]
    assert cut(seq_idx=torch.tensor([[0, 0, 1, 1, 1, 2]])) == [[11, 12], [13, 14, 15]]


def test_shifted_labels_are_put_back_to_their_tokens() -> None:
    ids = torch.tensor([[11, 12, 13]])
    (found,) = pieces_of({"input_ids": ids, "shift_labels": torch.tensor([[-100, 13, -100]])}, pad_id=0)
    assert found.labels.tolist() == [-100, -100, 13]
    assert found.num_targets == 1
