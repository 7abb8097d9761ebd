"""S9: keys that would say what is learned are read or refused; all others are counted."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.train.small import config
from twosignal.prove.columns import check_columns
from twosignal.prove.receipt import Check

TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def checked(folder: Path, *records: dict[str, Any]) -> Check:
    (folder / "chat.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return check_columns(config(), folder)


def with_key(**keys: Any) -> dict[str, Any]:
    return {"messages": [TURNS[0], {**TURNS[1], **keys}]}


def test_plain_records_pass_and_other_keys_are_counted(tmp_path: Path) -> None:
    check = checked(
        tmp_path, {"messages": TURNS, "topic": "x", "empty": None}, with_key(weight=0, mood="calm")
    )
    assert (check.id, check.passed) == ("S9", True)
    assert check.evidence == {"rows": 2, "not_read": {"record: topic": 1, "message: mood": 1}}


@pytest.mark.parametrize("key", ["wieght", "weights", "trian", "Train", "loss_mask", "trainable", "loss"])
def test_a_misspelt_key_of_a_message_is_found_with_the_nearest_name(key: str, tmp_path: Path) -> None:
    check = checked(tmp_path, {"messages": TURNS}, with_key(**{key: 0}))
    assert (check.passed, check.kind) == (False, "wrong-targets")
    assert check.message.startswith(f'chat.jsonl:2: a message has the key "{key}", which nothing reads')
    assert check.evidence["nearest"] == "weight"


@pytest.mark.parametrize(
    ("record", "nearest"),
    [
        ({"assistant_msk": [0, 1]}, "assistant_mask"),
        ({"lables": [0, 1]}, "labels"),
        ({"my_mask": [0, 1]}, "assistant_masks"),
        ({"train": False}, "weight of each message"),
        ({"weight": 0}, "weight of each message"),
    ],
)
def test_a_mask_like_column_is_found(record: dict[str, Any], nearest: str, tmp_path: Path) -> None:
    check = checked(tmp_path, {"messages": TURNS, **record})
    assert (check.passed, check.kind) == (False, "wrong-targets")
    assert check.evidence["nearest"] == nearest
    assert nearest in check.remedy


@pytest.mark.parametrize("record", [{"label": "greeting"}, {"weight": 0.37}, {"turn": 1}, {"task": [1, 2]}])
def test_what_only_looks_like_one_is_let_be(record: dict[str, Any], tmp_path: Path) -> None:
    """A class, a share, and a number of something else."""
    assert checked(tmp_path, {"messages": TURNS, **record}).passed


def test_running_text_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("once upon a time")
    check = check_columns(config(source={"path": "book.txt"}), tmp_path)
    assert (check.id, check.passed) == ("S9", None)
