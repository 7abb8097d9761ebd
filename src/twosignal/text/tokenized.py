"""Records that came as token ids: takes "input_ids" with labels or a mask, gives a `Tokenized`, or says what is unclear.

Exactly one column may say what is learned: "labels" (-100 or the token itself, unshifted) or a mask of 0 and 1.
Columns that look like one but are not known are refused by name, never ignored.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import cast

from twosignal.text.conversation import Message, Origin, Tokenized
from twosignal.text.malformed import MalformedError, describe

IDS_KEY = "input_ids"
LABELS_KEY = "labels"
MASK_KEYS = (
    "assistant_masks",
    "assistant_mask",
    "assistant_tokens_mask",
    "completion_mask",
    "loss_mask",
    "target_mask",
    "mask",
)
OTHER_KEYS = ("attention_mask", "special_tokens_mask", "token_type_ids", "position_ids")
"""Columns of tokenizers that say nothing about what is learned."""
IGNORED_LABEL = -100


def looks_like_mask(key: str) -> bool:
    """Return whether a column of this name seems to say what is learned."""
    name = key.lower()
    return name not in OTHER_KEYS and ("mask" in name or name.startswith("label") or "loss_weight" in name)


def parse_tokenized(
    record: Mapping[str, object], messages: tuple[Message, ...], *, origin: Origin, tools: str, domain: str
) -> Tokenized:
    """Return the record's ids and mask; `messages` is the conversation that stands beside them, if any."""
    ids = _ids(record[IDS_KEY])
    _check_others(record, ids)
    supervised = _supervised(record, ids)
    if supervised is None and messages:
        raise MalformedError(
            found='"input_ids" and messages, but no mask: it is unclear which of the ids are learned',
            expected=f'"{LABELS_KEY}" or one of {_listed(MASK_KEYS)}, or the messages alone',
        )
    return Tokenized(
        ids=tuple(ids), supervised=supervised, origin=origin, domain=domain, messages=messages, tools=tools
    )


def refuse_mask_without_ids(record: Mapping[str, object]) -> None:
    """Raise where a record without ids has a mask, which could only be ignored."""
    for key, value in record.items():
        if isinstance(value, list) and (key in MASK_KEYS or key == LABELS_KEY):
            raise MalformedError(
                found=f'"{key}" without "{IDS_KEY}": there are no tokens for it to speak of',
                expected='both, or neither; messages can carry "weight": 0 instead',
            )


def _ids(value: object) -> list[int]:
    if not isinstance(value, list) or not value:
        raise MalformedError(found=f'{describe(value)} as "{IDS_KEY}"', expected="a list of token ids")
    for place, index in enumerate(value):
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            shown = index if isinstance(index, int | float) else describe(index)
            raise MalformedError(
                found=f'{shown} at place {place} of "{IDS_KEY}"', expected="token ids, whole numbers from 0"
            )
    return value


def _check_others(record: Mapping[str, object], ids: Sequence[int]) -> None:
    known = (IDS_KEY, LABELS_KEY, *MASK_KEYS)
    for key, value in record.items():
        if value is None or key in known or key in OTHER_KEYS:
            continue
        if looks_like_mask(key) or _is_mask_shaped(value, ids):
            near = get_close_matches(key.lower(), known[1:], n=1, cutoff=0.0)[0]
            raise MalformedError(
                found=f'the column "{key}", which looks like a mask but is not known',
                expected=f'"{near}" perhaps; known are "{LABELS_KEY}", {_listed(MASK_KEYS)}',
            )
    attention = record.get("attention_mask")
    if isinstance(attention, list) and not all(attention):
        raise MalformedError(found='padding, by "attention_mask"', expected="ids without padding")
    positions = record.get("position_ids")
    if isinstance(positions, list) and positions != list(range(len(ids))):
        raise MalformedError(
            found='"position_ids" that begin anew: several conversations in one record',
            expected="one conversation in each record; packing is done here",
        )


def _is_mask_shaped(value: object, ids: Sequence[int]) -> bool:
    """Return whether a column could be a mask under a name of its own: a yes or no for every id, both occurring."""
    return isinstance(value, list) and len(value) == len(ids) and {0, 1} == set(map(_hashable, value))


def _hashable(value: object) -> object:
    return value if isinstance(value, int | float | str) else None


def _supervised(record: Mapping[str, object], ids: Sequence[int]) -> tuple[bool, ...] | None:
    """Return the mask, or None where the record has none; two sources of it are one too many."""
    sources = [key for key in (LABELS_KEY, *MASK_KEYS) if record.get(key) is not None]
    if len(sources) > 1:
        raise MalformedError(
            found=f"{_listed(sources)} in one record: two sources of what is learned",
            expected="one of them",
        )
    if not sources:
        return None
    (key,) = sources
    values = record[key]
    if not isinstance(values, list):
        raise MalformedError(found=f'{describe(values)} as "{key}"', expected='a list as long as "input_ids"')
    if len(values) != len(ids):
        raise MalformedError(
            found=f'{len(values)} values in "{key}" for {len(ids)} token ids', expected="one for every id"
        )
    return _from_labels(values, ids) if key == LABELS_KEY else _from_mask(values, key)


def _from_labels(labels: Sequence[object], ids: Sequence[int]) -> tuple[bool, ...]:
    supervised = tuple(label != IGNORED_LABEL for label in labels)
    wrong = [place for place, label in enumerate(labels) if supervised[place] and label != ids[place]]
    if not wrong:
        return supervised
    place = wrong[0]
    following = [*ids[1:], None]
    is_shifted = all(label in (IGNORED_LABEL, after) for label, after in zip(labels, following, strict=True))
    hint = "; every label is the next token, so they are shifted by one already" if is_shifted else ""
    raise MalformedError(
        found=f'{labels[place]} at place {place} of "{LABELS_KEY}", where the token is {ids[place]}{hint}',
        expected=f"{IGNORED_LABEL} or the token itself; targets are shifted here, once",
    )


def _from_mask(values: Sequence[object], key: str) -> tuple[bool, ...]:
    for place, value in enumerate(values):
        if not isinstance(value, bool | int | float) or value not in (0, 1):
            shown = value if isinstance(value, int | float) else describe(value)
            raise MalformedError(found=f'{shown} at place {place} of "{key}"', expected="0 or 1")
    return tuple(bool(cast("int", value)) for value in values)


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)
