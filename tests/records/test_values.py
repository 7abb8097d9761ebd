"""Tests of record values: takes every sort of value, gives that nothing is lost on the way through JSON."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.records.values import Json, canonical, compact, decode, encode

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
WORDS = st.sampled_from(["nan", "inf", "-inf", "\\nan", "\\\\inf", "\\", "NaN"])
VALUES = st.recursive(LEAVES | WORDS, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=8)


@settings(max_examples=80, deadline=None)
@given(VALUES)
def test_every_value_comes_back_as_it_was(value: Json) -> None:
    assert decode(json.loads(compact(encode(value, where="value")))) == value


def test_what_is_not_finite_is_written_as_a_word_and_read_as_a_float() -> None:
    written = encode([math.nan, math.inf, -math.inf], where="loss")
    assert written == ["nan", "inf", "-inf"]
    nan, plus, minus = decode(written)  # type: ignore[misc]
    assert isinstance(nan, float)
    assert math.isnan(nan)
    assert (plus, minus) == (math.inf, -math.inf)


def test_a_text_that_says_nan_stays_a_text() -> None:
    assert encode("nan", where="text") == "\\nan"
    assert decode(encode({"text": "nan", "loss": math.inf}, where="")) == {"text": "nan", "loss": math.inf}
    assert encode("nan", where="text", escape=False) == "nan"


def test_arrays_tuples_and_other_keys_are_refused_with_their_place() -> None:
    with pytest.raises(TypeError, match=r"body\.scores\[1\] is a int64"):
        encode({"scores": [1, np.int64(2)]}, where="body")
    with pytest.raises(TypeError, match="body is a tuple"):
        encode((1, 2), where="body")
    with pytest.raises(TypeError, match="body has the key 3"):
        encode({3: 1}, where="body")


def test_a_numpy_float_is_written_like_the_float_it_is() -> None:
    assert compact(encode([np.float64(0.1), np.float64("nan")], where="")) == b'[0.1,"nan"]'


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    assert canonical({"b": 1, "a": [0.5, "\u00e9"]}) == canonical({"a": [0.5, "\u00e9"], "b": 1})
    assert canonical({"b": 1, "a": "\u00e9"}) == b'{"a":"\\u00e9","b":1}'


def test_a_lone_surrogate_can_be_recorded() -> None:
    assert decode(json.loads(compact(encode("\ud800", where="text")))) == "\ud800"
