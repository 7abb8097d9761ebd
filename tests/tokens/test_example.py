"""Tests of examples: takes ids and masks that do not fit, gives errors that name the record."""

import numpy as np
import pytest

from twosignal.tokens.example import Example

from . import saved


def example(ids: list[int], supervised: list[bool]) -> Example:
    return Example(
        ids=np.array(ids, np.int32),
        supervised=np.array(supervised, np.bool_),
        origin=saved.ORIGIN,
        is_conversation=True,
    )


def test_targets_are_the_supervised_tokens() -> None:
    assert example([1, 2, 3], [False, True, True]).num_targets == 2


@pytest.mark.parametrize(("ids", "supervised"), [([1, 2], [False]), ([], []), ([1], [True])])
def test_ids_and_mask_must_fit_and_the_first_token_has_nothing_before_it(
    ids: list[int], supervised: list[bool]
) -> None:
    with pytest.raises(ValueError, match=r"data/chats\.jsonl:7"):
        example(ids, supervised)
