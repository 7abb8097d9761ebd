"""Tests of the event format: takes events, gives that schema and chain are kept."""

import hashlib
import json
import math
from typing import get_args

import pytest

from twosignal.records.events import (
    FIRST_HASH,
    KINDS,
    REQUIRED,
    Event,
    Kind,
    decode_event,
    encode_event,
)

SAMPLE = Event(
    kind="sample", step=3, body={"prompt": "Say", "text": "nan", "source": "books", "loss": math.nan}
)


def test_a_line_reads_kind_step_attempt_body_clock_hash_in_this_order() -> None:
    line = json.loads(encode_event(SAMPLE, FIRST_HASH).line)
    names = ["kind", "step", "attempt", "prompt", "text", "source", "loss", "clock", "hash"]
    assert list(line) == names
    assert (line["text"], line["loss"]) == ("\\nan", "nan")


def test_the_hash_is_that_of_the_previous_hash_and_the_sorted_rest() -> None:
    header = b'{"twosignal":"records","version":1}'
    first = hashlib.blake2b(header, digest_size=16).hexdigest()
    assert first == FIRST_HASH
    rest = b'{"attempt":0,"kind":"checkpoint","path":"p","step":4}'
    expected = hashlib.blake2b(first.encode() + rest, digest_size=16).hexdigest()
    event = Event(kind="checkpoint", step=4, body={"path": "p"}, clock={"time": 1.0})
    assert encode_event(event, first).hash == expected


def test_the_clock_does_not_change_the_hash_and_the_body_does() -> None:
    early = Event(kind="checkpoint", step=4, body={"path": "p"}, clock={"time": 1.0})
    late = Event(kind="checkpoint", step=4, body={"path": "p"}, clock={"time": 2.0, "host": "elsewhere"})
    other = Event(kind="checkpoint", step=4, body={"path": "q"}, clock={"time": 1.0})
    assert encode_event(early, FIRST_HASH).hash == encode_event(late, FIRST_HASH).hash
    assert encode_event(early, FIRST_HASH).hash != encode_event(other, FIRST_HASH).hash
    assert encode_event(early, "0" * 32).hash != encode_event(early, FIRST_HASH).hash


def test_an_event_reads_back_as_it_was_written() -> None:
    read = decode_event(json.loads(encode_event(SAMPLE, FIRST_HASH).line))
    assert (read.kind, read.step, read.attempt, read.text("text")) == ("sample", 3, 0, "nan")
    assert math.isnan(read.number("loss"))


def test_every_kind_has_a_schema() -> None:
    assert set(REQUIRED) == set(KINDS) == set(get_args(Kind))


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_without_a_required_field_is_refused_by_name(kind: Kind) -> None:
    with pytest.raises(ValueError, match=f"{kind} event at step 1: the body lacks"):
        Event(kind=kind, step=1).check()


def test_mistyped_reserved_and_unknown_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="'loss' is a str, not int or float"):
        Event(kind="probe", step=1, body={"loss": "low", "by_source": {}}).check()
    with pytest.raises(ValueError, match="'kind' is a part of every record"):
        Event(kind="verdict", step=1, body={"verdict": "halt", "reason": "loops", "kind": "halt"}).check()
    with pytest.raises(ValueError, match="state is 'interrupted', not one of finished"):
        Event(kind="end", step=1, body={"state": "interrupted"}).check()
    with pytest.raises(ValueError, match="no such kind"):
        Event(kind="party", step=1).check()  # type: ignore[arg-type]


def test_fields_are_read_with_their_type_or_refused() -> None:
    event = Event(kind="probe", step=1, body={"loss": 2, "by_source": {}, "note": "n"})
    assert event.number("loss") == 2.0
    with pytest.raises(TypeError, match="'note' is 'n', not a number"):
        event.number("note")
    with pytest.raises(TypeError, match="'loss' is 2, not text"):
        event.text("loss")


def test_a_record_that_is_no_event_is_refused() -> None:
    with pytest.raises(ValueError, match="are no event"):
        decode_event({"kind": "party", "step": 1, "attempt": 0})
    with pytest.raises(TypeError, match="clock is 3"):
        decode_event({"kind": "end", "step": 1, "attempt": 0, "clock": 3})
