"""Takes generated questions about the calendar, checks them against the calendar of 2023."""

import calendar
import re
from datetime import date, datetime, timedelta

import pytest

from twosignal.text.synthetic.dates import DATES

from .exchanges import conversation, exchanges

DAYS = list(calendar.day_name)
MONTHS = list(calendar.month_name)[1:]
DAY, MONTH = "|".join(DAYS), "|".join(MONTHS)


def as_date(text: str) -> date:
    return datetime.strptime(f"{text} 2023", "%d %B %Y").date()


def answered(question: str) -> str | None:
    """Return what the answer must say, worked out by the calendar; None where another kind is asked."""
    number = re.search(r"\b(\d+) days", question)
    dated = re.search(rf"\d+ (?:{MONTH})", question)
    if dated and number:
        later = as_date(dated[0]) + timedelta(days=int(number[1]))
        return f"{later.day} {later:%B}"
    day = re.search(DAY, question)
    if day and number:
        sign = -1 if re.search("ago|before|earlier", question) else 1
        monday = date(2023, 1, 2)
        return f"{monday + timedelta(days=DAYS.index(day[0]) + sign * int(number[1])):%A}"
    if day:
        sign = -1 if re.search("before|yesterday", question) else 1
        return DAYS[(DAYS.index(day[0]) + sign) % 7]
    return None


def test_weekdays_and_dates_agree_with_the_calendar() -> None:
    num_checked = 0
    for question, answer in exchanges(DATES):
        right = answered(question)
        if right is not None:
            num_checked += 1
            (said, *_) = re.findall(rf"\d+ (?:{MONTH})|{DAY}", answer.replace("days after", ""))[-1:]
            assert said == right, (question, answer)
    assert num_checked > 1000


def test_months_agree_with_the_calendar() -> None:
    num_checked = 0
    for question, answer in exchanges(DATES):
        months = [MONTHS.index(month) + 1 for month in re.findall(MONTH, question)]
        said = [MONTHS.index(month) + 1 for month in re.findall(MONTH, answer)]
        if re.search(DAY, question) or re.search(rf"\d (?:{MONTH})", question):
            continue
        num_checked += 1
        if "How many days" in question or ("How long is " in question and len(months) == 1):
            assert str(calendar.monthrange(2023, months[0])[1]) in answer.split()
        elif "from" in question:
            distance = (months[1] - months[0]) % 12
            assert f"{distance} month{'s' if distance > 1 else ''}" in answer
        elif len(months) == 2:
            assert said == sorted(months)
        elif months:
            shift = 1 if re.search("after|follows", question) else -1
            assert (months[0] - 1 + shift) % 12 + 1 in said
        else:
            ordinal = re.search(r"(first|second|third|\w+th)\b", question)
            assert ordinal is not None
            assert ordinal[1] in answer
    assert num_checked > 200


@pytest.mark.parametrize(
    ("question", "answer", "is_right"),
    [
        ("Today is Monday. What day is it in 10 days?", "In 10 days it is Thursday.", True),
        ("Today is Monday. What day is it in 10 days?", "In 10 days it is Friday.", False),
        ("Today is Monday. What day was it 2 days ago?", "It was Saturday.", True),
        ("What date is 5 days after 26 February?", "It is 3 March.", True),
        ("What date is 5 days after 26 February?", "It is 2 March.", False),
        ("What date is 5 days after 31 February?", "It is 8 March.", False),
        ("What date is 5 days after 30 December?", "It is 4 January.", True),
        ("How many days are in June?", "June has 30 days.", True),
        ("How many days are in June?", "June has 31 days.", False),
        ("What is the fifth month of the year?", "The fifth month is May.", True),
        ("Which month comes before January?", "Before January comes December.", True),
        (
            "How many months are there from November to January?",
            "From November to January it is 2 months.",
            True,
        ),
    ],
)
def test_answers_are_judged(question: str, answer: str, is_right: bool) -> None:
    assert DATES.is_right(conversation(question, answer)) == is_right
