"""What rows carry, counted by hand, and a tap that stays in step with the model or says nothing."""

from typing import Any

import numpy as np
import pytest
import torch

from twosignal.callbacks.rows import RowTap, carried_targets


@pytest.mark.parametrize(
    ("row", "targets"),
    [
        ({"input_ids": [1, 2, 3, 4], "labels": [-100, -100, 3, 4]}, 2),
        ({"input_ids": [1, 2, 3, 4], "labels": [1, 2, 3, 4]}, 3),
        ({"input_ids": [1, 2, 3, 4], "labels": [1, 2, 3, 4], "seq_lengths": [2, 2]}, 2),
        ({"input_ids": [1, 2, 3, 4], "labels": np.array([-100, 2, -100, 4]), "seq_lengths": [1, 1, 2]}, 1),
        ({"input_ids": [1, 2, 3, 4], "assistant_masks": [0, 1, 1, 0]}, 2),
        ({"input_ids": [1, 2, 3, 4], "assistant_masks": [0, 1, 1, 0], "completion_mask": [0, 0, 1, 1]}, 1),
        ({"input_ids": [1, 2], "labels": [-100, -100]}, 0),
    ],
)
def test_targets_of_a_row_are_counted_behind_the_shift(row: dict[str, Any], targets: int) -> None:
    assert carried_targets([row]) == targets
    assert carried_targets([row, row]) == 2 * targets


def test_labels_that_are_not_shifted_are_all_targets() -> None:
    row = {"input_ids": [1, 2, 3, 4], "labels": [1, 2, -100, 4], "seq_lengths": [2, 2]}
    assert carried_targets([row], is_shifted=False) == 3


@pytest.mark.parametrize(
    "row", [{"input_ids": [1, 2]}, {"labels": [1, 2]}, {"input_ids": [1, 2], "labels": [1]}, "text"]
)
def test_a_row_that_says_nothing_makes_the_batch_unknown(row: Any) -> None:
    assert carried_targets([{"input_ids": [1, 2], "labels": [1, 2]}, row]) is None


def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack ids and labels; empties its rows, as some collators do."""
    return {name: torch.tensor([row.pop(name) for row in rows]) for name in ("input_ids", "labels")}


def test_batches_come_back_in_order_and_unchanged() -> None:
    tap = RowTap(collate)
    first = tap([{"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}])
    tap([{"input_ids": [4, 5], "labels": [-100, -100]}])
    assert first["input_ids"].tolist() == [[1, 2, 3]]
    noted = [tap.next_for(torch.zeros(1, 3)), tap.next_for(torch.zeros(1, 2))]
    assert [one.targets for one in noted if one] == [2, 0]
    assert tap.next_for(torch.zeros(1, 2)) is None


def test_a_batch_of_another_shape_is_not_taken_for_this_one() -> None:
    tap = RowTap(collate)
    tap([{"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}])
    assert tap.next_for(torch.zeros(1, 9)) is None
    assert tap.next_for(None) is None
    tap.forget()
    assert tap.next_for(torch.zeros(1, 3)) is None


def test_what_is_no_batch_of_ids_passes_through() -> None:
    assert RowTap(lambda rows: len(rows))([1, 2]) == 2
