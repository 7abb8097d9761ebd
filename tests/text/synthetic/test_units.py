"""Takes generated conversions, checks them by turning every amount into its smallest unit."""

import re

import pytest

from twosignal.text.synthetic.units import UNITS

from .exchanges import conversation, exchanges

WORTH = {
    "millimetre": 1, "centimetre": 10, "metre": 1000, "kilometre": 1_000_000,
    "gram": 1, "kilogram": 1000, "tonne": 1_000_000, "millilitre": 1, "litre": 1000,
    "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800,
    "month": 1, "year": 12,
}  # fmt: skip
AMOUNT = r"(\d+) ([a-z]+?)s?\b"


def worth(amount: tuple[str, str]) -> int:
    return int(amount[0]) * WORTH[amount[1]]


def test_all_amounts_of_a_conversion_are_worth_the_same() -> None:
    num_conversions = num_comparisons = 0
    for question, answer in exchanges(UNITS):
        asked = [worth(amount) for amount in re.findall(AMOUNT, question)]
        said = [worth(amount) for amount in re.findall(AMOUNT, answer)]
        if len(asked) == 1:
            num_conversions += 1
            assert set(asked) == set(said)
            assert re.search(r"\b(how many|in|to) [a-z]+s\b", question.lower())
        else:
            num_comparisons += 1
            assert set(asked) >= set(said)
            winner = re.search(AMOUNT + " is more", answer)
            assert winner is not None
            assert worth((winner[1], winner[2])) == max(asked) > min(asked)
    assert num_conversions > 1000
    assert num_comparisons > 300


def test_one_is_singular_and_all_else_plural() -> None:
    for question, answer in exchanges(UNITS):
        for number, unit in re.findall(r"(\d+) ([a-z]+)", f"{question} {answer}"):
            assert unit.endswith("s") == (number != "1")


@pytest.mark.parametrize(
    ("question", "answer", "is_right"),
    [
        ("How many minutes are in 3 hours?", "There are 180 minutes in 3 hours.", True),
        ("How many minutes are in 1 hour?", "1 hour is 60 minutes.", True),
        ("How many minutes are in 3 hours?", "There are 90 minutes in 3 hours.", False),
        ("How many minutes are in 3 hours?", "There are 180 seconds in 3 hours.", False),
        ("How many grams are in 3 hours?", "There are 180 grams in 3 hours.", False),
        ("Convert 4000 metres to kilometres.", "That makes 4 kilometres.", True),
        ("Convert 4500 metres to kilometres.", "That makes 4 kilometres.", False),
        ("Which is more, 2 hours or 90 minutes?", "2 hours is more, because 2 hours is 120 minutes.", True),
        (
            "Which is more, 2 hours or 90 minutes?",
            "90 minutes is more, because 2 hours is 120 minutes.",
            False,
        ),
        (
            "Which is more, 1 hour or 90 minutes?",
            "1 hour is 60 minutes, so 90 minutes is more than 1 hour.",
            True,
        ),
    ],
)
def test_answers_are_judged(question: str, answer: str, is_right: bool) -> None:
    assert UNITS.is_right(conversation(question, answer)) == is_right
