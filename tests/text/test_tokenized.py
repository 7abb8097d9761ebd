"""Tests of records that came as ids: takes columns people have, gives ids and mask, or what is unclear about them."""

import pytest

from twosignal.text.conversation import Origin, Tokenized
from twosignal.text.formats import parse
from twosignal.text.malformed import MalformedError

ORIGIN = Origin(source="chats", file="chats.jsonl", line=3)
IDS = [5, 6, 7, 8]
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]


def read(**fields: object) -> Tokenized:
    record = parse({"input_ids": IDS, **fields}, "auto", origin=ORIGIN)
    assert isinstance(record, Tokenized)
    return record


def fault(**fields: object) -> str:
    with pytest.raises(MalformedError) as caught:
        parse({"input_ids": IDS, **fields}, "auto", origin=ORIGIN)
    return str(caught.value)


def test_labels_are_the_token_itself_or_ignored() -> None:
    found = read(labels=[-100, -100, 7, 8])
    assert (found.ids, found.supervised) == ((5, 6, 7, 8), (False, False, True, True))


@pytest.mark.parametrize(
    "key", ["assistant_masks", "assistant_mask", "completion_mask", "loss_mask", "mask", "target_mask"]
)
def test_masks_have_many_names_and_hold_numbers_or_booleans(key: str) -> None:
    expected = (False, False, True, True)
    assert read(**{key: [0, 0, 1, 1]}).supervised == expected
    assert read(**{key: [False, False, True, True]}, labels=None).supervised == expected


def test_ids_alone_say_nothing_about_what_is_learned() -> None:
    assert read(attention_mask=[1, 1, 1, 1], position_ids=[0, 1, 2, 3]).supervised is None


def test_the_conversation_beside_the_ids_is_kept() -> None:
    found = read(messages=TURNS, mask=[0, 0, 1, 1], tools=[{"name": "find"}], domain="x")
    assert [m.content for m in found.messages] == found.texts() == ["Hi", "Ho"]
    assert (found.tools, found.domain) == ('[{"name": "find"}]', "x")


def test_ids_and_messages_without_a_mask_are_unclear() -> None:
    assert '"input_ids" and messages, but no mask: it is unclear which' in fault(messages=TURNS)


def test_two_sources_of_supervision_are_one_too_many() -> None:
    found = fault(labels=[-100, -100, 7, 8], assistant_masks=[0, 0, 1, 1])
    assert '"labels", "assistant_masks" in one record: two sources' in found


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("asistant_masks", "assistant_masks"),
        ("assistantmask", "assistant_mask"),
        ("label", "labels"),
        ("Loss_Mask_", "loss_mask"),
    ],
)
def test_a_column_that_looks_like_a_mask_is_never_ignored(key: str, near: str) -> None:
    found = fault(**{key: [0, 0, 1, 1]})
    assert f'the column "{key}", which looks like a mask but is not known' in found
    assert f'"{near}" perhaps' in found


def test_lengths_must_agree() -> None:
    assert '3 values in "labels" for 4 token ids' in fault(labels=[5, 6, 7])
    assert 'text as "mask"' in fault(mask="0011")


def test_labels_that_are_shifted_are_called_so() -> None:
    found = fault(labels=[6, 7, 8, -100])
    assert '6 at place 0 of "labels", where the token is 5; every label is the next token' in found
    assert "shifted by one already" in found
    other = fault(labels=[-100, 9, 7, 8])
    assert '9 at place 1 of "labels", where the token is 6; expected' in other
    assert "shifted by one" not in other.split("expected")[0]


@pytest.mark.parametrize("value", [2, "1", None])
def test_masks_hold_nothing_but_zero_and_one(value: object) -> None:
    assert 'at place 2 of "mask"' in fault(mask=[0, 0, value, 1])


@pytest.mark.parametrize("ids", [[], "5 6", [5, -1], [5, 1.5], [5, True], [5, "6"]])
def test_ids_are_whole_numbers(ids: object) -> None:
    with pytest.raises(MalformedError, match="input_ids"):
        parse({"input_ids": ids, "labels": [5, 6]}, "auto", origin=ORIGIN)


def test_padding_and_packed_rows_are_refused() -> None:
    assert 'padding, by "attention_mask"' in fault(mask=[0, 0, 1, 0], attention_mask=[1, 1, 1, 0])
    assert "several conversations in one record" in fault(mask=[0, 0, 1, 1], position_ids=[0, 1, 0, 1])


@pytest.mark.parametrize("key", ["assistant_masks", "labels"])
def test_a_mask_without_ids_is_refused(key: str) -> None:
    with pytest.raises(MalformedError, match=f'"{key}" without "input_ids"'):
        parse({"messages": TURNS, key: [0, 1]}, "auto", origin=ORIGIN)


def test_fingerprints_depend_on_ids_and_mask() -> None:
    found = [read(), read(mask=[0, 0, 1, 1]), read(mask=[0, 1, 1, 1])]
    assert len({record.fingerprint for record in found}) == 3
    assert read(mask=[0, 0, 1, 1], messages=TURNS).fingerprint == found[1].fingerprint
