"""What an operator may ask of the mix."""

import math
from typing import Any

import pytest

from twosignal.curriculum.request import check_settings, described, read_settings
from twosignal.errors import InputError

SOURCES = ("chat", "books", "lists")


def test_sound_settings_pass_and_are_told_as_they_are_given() -> None:
    settings = read_settings({"set": {"books": 0}, "cap": {"lists": 0.1}, "release": ["chat"]})
    check_settings(settings, SOURCES)
    assert described(settings) == "--set books=0 --cap lists=0.1 --release chat"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "the request asks for nothing"),
        ({"set": {"book": 0.1}}, "the run has no source book. Did you mean books?"),
        ({"release": ["zebra"]}, "the run has no source zebra. The sources are chat, books, lists"),
        ({"cap": {"books": -0.1}}, "the share of books must be a number from 0 to 1"),
        ({"set": {"books": math.nan}}, "the share of books must be a number from 0 to 1"),
        ({"set": {"books": 0.6, "chat": 0.5}}, "the shares that are set exceed the whole (found sum 1.10"),
        ({"set": {"books": 0.1}, "cap": {"books": 0.2}}, "books is named twice in one request"),
        ({"set": {"books": 0, "chat": 0, "lists": 0}}, "leave part of every step to nobody (found sum 0.00"),
        ({"set": {"books": 0.2}, "cap": {"chat": 0.2, "lists": 0.2}}, "leave part of every step to nobody"),
    ],
)
def test_what_cannot_be_followed_is_a_sentence(settings: Any, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        check_settings(settings, SOURCES)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    "body", [{"set": []}, {"set": {"a": "1"}}, {"cap": {"a": True}}, {"release": "a"}, {"release": [1]}]
)
def test_a_body_of_another_shape_is_no_request(body: Any) -> None:
    with pytest.raises(InputError, match="the request is none"):
        read_settings(body)
