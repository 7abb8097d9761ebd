"""Takes generated sums, checks them by reading only the numbers and the word that names the operation."""

import re

import pytest

from twosignal.text.synthetic.arithmetic import ARITHMETIC

from .exchanges import conversation, exchanges


def expected(question: str) -> int:
    numbers = [int(number) for number in re.findall(r"\d+", question)]
    if re.search(r" plus | \+ |sum|add|more\. How many|beside it", question):
        return numbers[0] + numbers[1]
    if re.search(r" minus | - |difference|gave away|took", question):
        return numbers[0] - numbers[1]
    if match := re.search(r"take (\d+) (?:away )?from (\d+)", question):
        return int(match[2]) - int(match[1])
    if re.search(r" times | x |multiply|product", question):
        return numbers[0] * numbers[1]
    if re.search(r"after|follows|next", question):
        return numbers[0] + 1
    if re.search(r"twice|double", question):
        return numbers[0] * 2
    assert "half" in question
    return numbers[0] // 2


def test_every_answer_is_what_the_numbers_give() -> None:
    kinds = set()
    for question, answer in exchanges(ARITHMETIC):
        said = [int(number) for number in re.findall(r"\d+", answer)]
        if match := re.search(r"larger|bigger|or \d+ more|smaller|less", question):
            assert sorted(said) == sorted(int(number) for number in re.findall(r"\d+", question))
            assert (said[0] > said[1]) == (match[0] not in ("smaller", "less"))
            kinds.add(match[0])
        else:
            assert said[-1] == expected(question), (question, answer)
    assert {"larger", "bigger", "smaller", "less"} < kinds


@pytest.mark.parametrize(
    ("question", "answer", "is_right"),
    [
        ("What is 7 plus 5?", "7 plus 5 is 12.", True),
        ("What is 7 plus 5?", "The sum of 7 and 5 is 12.", True),
        ("What is 7 plus 5?", "7 plus 5 is 13.", False),
        ("What is 7 plus 5?", "5 plus 7 is 12.", False),
        ("What is 7 plus 5?", "12 12 12", False),
        ("What is 9 minus 4?", "9 minus 4 is 5.", True),
        ("Which is larger, 7 or 9?", "9 is larger than 7.", True),
        ("Which is larger, 7 or 9?", "7 is larger than 9.", False),
        ("What is half of 14?", "Half of 14 is 7.", True),
        ("What is half of 15?", "Half of 15 is 7.", False),
        ("I had 9 eggs and gave away 4. How many eggs are left?", "That leaves 5 eggs.", True),
        ("I had 9 eggs and gave away 4. How many eggs are left?", "That leaves 5 coins.", False),
    ],
)
def test_answers_are_judged(question: str, answer: str, is_right: bool) -> None:
    assert ARITHMETIC.is_right(conversation(question, answer)) == is_right
