"""Takes generated questions about words, checks letters and order by the words alone and the table by hand."""

import re

import pytest

from twosignal.text.synthetic.word_table import KINDS, NOUNS, OPPOSITES, PLURALS, WORDS, article
from twosignal.text.synthetic.words import WORD_FACTS

from .exchanges import conversation, exchanges


def test_the_table_holds_distinct_plain_words() -> None:
    assert len(WORDS) == len(set(WORDS)) > 150
    assert all(re.fullmatch("[a-z]+", word) for word in (*WORDS, *PLURALS.values()))
    assert set(PLURALS) == set(KINDS) == set(NOUNS)
    assert all(OPPOSITES[OPPOSITES[word]] == word != OPPOSITES[word] for word in OPPOSITES)


def test_the_table_says_what_a_person_would() -> None:
    assert [PLURALS[word] for word in ("cat", "fox", "mouse", "sheep", "cherry", "foot", "shelf", "bus")] == [
        "cats", "foxes", "mice", "sheep", "cherries", "feet", "shelves", "buses",
    ]  # fmt: skip
    assert (KINDS["owl"], KINDS["plum"], KINDS["harp"]) == ("an animal", "a fruit", "a musical instrument")
    assert (OPPOSITES["big"], OPPOSITES["small"]) == ("small", "big")
    assert (article("owl"), article("cat")) == ("an", "a")


def test_letters_lengths_and_order_are_those_of_the_words() -> None:
    checked = set()
    for question, answer in exchanges(WORD_FACTS):
        if match := re.search(r"(first|last) letter of (?:the word )?(\w+)", question):
            assert match[2][0 if match[1] == "first" else -1] in re.findall(r"\b[a-z]\b", answer)
        elif match := re.search(r"letters (?:does|of) (\w+)|long is the word (\w+)", question):
            assert str(len(match[1] or match[2])) in answer.split()
        elif match := re.search(r"spell (?:the word )?(\w+)", question):
            assert answer.removesuffix(".").split()[-1].replace("-", "") == match[1]
        elif match := re.search(r"(?:word is longer,|Is) (\w+) or (\w+)", question):
            long = max(match.groups(), key=len)
            assert re.search(rf"word {long} is longer|longer word is {long}:", answer)
        elif match := re.search(r"dictionary, (\w+) or (\w+)|Put (\w+) and (\w+)", question):
            first, second = sorted(word for word in match.groups() if word)
            assert answer.index(f" {first}") < answer.index(f" {second}")
        elif match := re.search(r"Does (\w+) contain the letter (\w)\?", question):
            assert answer.startswith("Yes" if match[2] in match[1] else "No")
        elif match := re.search(r"letter (\w) in (?:the word )?(\w+)", question):
            assert answer.startswith("Yes" if match[1] in match[2] else "No")
        else:
            continue
        checked.add(match.re.pattern)
    assert len(checked) == 7


@pytest.mark.parametrize(
    ("question", "answer", "is_right"),
    [
        ("What is the first letter of owl?", "The first letter of owl is o.", True),
        ("What is the first letter of owl?", "The first letter of owl is w.", False),
        ("Which letter does owl end with?", "The word owl ends with l.", True),
        ("How many letters does owl have?", "The word owl has 3 letters.", True),
        ("How do you spell owl?", "You spell it o-w-l.", True),
        ("How do you spell owl?", "You spell it o-l-w.", False),
        ("What is the plural of mouse?", "The plural of mouse is mice.", True),
        ("What is the plural of mouse?", "The plural of mouse is mouses.", False),
        ("What kind of thing is an owl?", "An owl is an animal.", True),
        ("What kind of thing is an owl?", "A owl is an animal.", False),
        ("What kind of thing is a gizmo?", "A gizmo is an animal.", False),
        ("What is the opposite of big?", "The opposite of big is small.", True),
        ("What is the opposite of big?", "The opposite of big is hot.", False),
        ("Does owl contain the letter w?", "Yes, owl contains the letter w.", True),
        ("Does owl contain the letter x?", "Yes, owl contains the letter x.", False),
        ("Does owl contain the letter x?", "No, owl does not contain the letter x: it is not there.", True),
        ("Put owl and cat in alphabetical order.", "First comes cat, then owl.", True),
        ("Put owl and cat in alphabetical order.", "First comes owl, then cat.", False),
    ],
)
def test_answers_are_judged(question: str, answer: str, is_right: bool) -> None:
    assert WORD_FACTS.is_right(conversation(question, answer)) == is_right
